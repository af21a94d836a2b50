using Orleans.Runtime;

namespace Loire.Actors.Redis;

/// <summary>Redis did not answer in time, or refused. Says what was tried, where, for how long, and what was found.</summary>
public sealed class RedisUnavailableException(string what, string address, TimeSpan tried, string found, Exception? innerException = null)
    : OrleansException($"{what} failed: Redis at {address} {found} ({tried.TotalMilliseconds:0} ms).", innerException);

/// <summary>This silo is not a member of the cluster, or is one no more, and may register nothing.</summary>
public sealed class StaleMemberException(SiloAddress silo, string what, string? reason)
    : OrleansException($"{what} is refused: silo {silo} holds no lease on its membership{(reason is null ? "" : $", {reason}")}. It has to end; a new start is a new member.")
{
    /// <summary>The silo.</summary>
    public SiloAddress Silo { get; } = silo;
}
