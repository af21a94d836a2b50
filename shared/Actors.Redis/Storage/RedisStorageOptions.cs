using Orleans.Runtime;
using StackExchange.Redis;

namespace Orleans.Persistence;

/// <summary>Which Redis keeps the states of grains, and how.</summary>
public class RedisStorageOptions
{
    /// <summary>Whether a state that is cleared leaves nothing behind. Otherwise its version stays, so that a writer who read it before is refused.</summary>
    public bool DeleteStateOnClear { get; set; }

    /// <summary>Where Redis is, and how to connect to it. Its connection settings for retries are replaced by our own.</summary>
    public ConfigurationOptions? ConfigurationOptions { get; set; }

    /// <summary>How long a state stays after it was last written; for ever when it is null. A grain whose state has gone starts anew.</summary>
    public TimeSpan? EntryExpiry { get; set; }

    /// <summary>The key of a state, by its name and its grain; <c>loire:1:state:{service id}:{grain}/{state}</c> when it is not set.</summary>
    public Func<string, GrainId, RedisKey>? GetStorageKey { get; set; }
}
