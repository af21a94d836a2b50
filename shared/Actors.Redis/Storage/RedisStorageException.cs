using Orleans.Runtime;

namespace Orleans.Persistence;

/// <summary>A state is too large for the store, or what is stored cannot be read. Names the state, the grain and the key.</summary>
public sealed class RedisStorageException(string message, Exception? innerException = null) : OrleansException(message, innerException);
