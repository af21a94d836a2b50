namespace Loire.Store.Redis;

/// <summary>How Redis is, as one round trip saw it.</summary>
public sealed record RedisHealth
{
    /// <summary>Host and port of the servers in the connection string.</summary>
    public required string Address { get; init; }

    public required bool IsReachable { get; init; }

    /// <summary>Of the round trip, or of the wait that ended without one.</summary>
    public required TimeSpan Latency { get; init; }

    /// <summary>Memory that Redis uses; null when it did not answer.</summary>
    public long? UsedMemoryBytes { get; init; }

    /// <summary>Its bound, or null for none.</summary>
    public long? MaxMemoryBytes { get; init; }

    /// <summary>Replicas that follow the primary.</summary>
    public int? ConnectedReplicas { get; init; }

    /// <summary>Connections that failed and were replaced since the store was opened.</summary>
    public required long Reconnects { get; init; }

    /// <summary>Why it is not reachable.</summary>
    public string? Failure { get; init; }
}
