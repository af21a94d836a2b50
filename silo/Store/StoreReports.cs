namespace Loire.Store;

/// <summary>What a store holds, and what has happened to it since it was opened.</summary>
public sealed record StoreUsage
{
    public required long Bytes { get; init; }
    public required long? MaxBytes { get; init; }
    public required long Blobs { get; init; }
    public required long Checkpoints { get; init; }
    public required long Turns { get; init; }
    public required long Sessions { get; init; }

    /// <summary>Blobs written.</summary>
    public required long BlobsWritten { get; init; }

    /// <summary>Blobs that a writer found stored already.</summary>
    public required long BlobsShared { get; init; }
    public required long BlobsRead { get; init; }
    public required long PrefixHits { get; init; }
    public required long PrefixMisses { get; init; }

    /// <summary>Files found damaged.</summary>
    public required long Damaged { get; init; }

    /// <summary>Swaps and deletions refused since their epoch was old.</summary>
    public required long StaleCommits { get; init; }

    /// <summary>Writes refused since the store was full.</summary>
    public required long FullRefusals { get; init; }
}

/// <summary>What one sweep found and deleted.</summary>
public sealed record SweepReport
{
    public int Sessions { get; init; }
    public int TurnsKept { get; init; }
    public int TurnsDeleted { get; init; }
    public int CheckpointsKept { get; init; }
    public int CheckpointsDeleted { get; init; }
    public int BlobsKept { get; init; }
    public int BlobsDeleted { get; init; }
    public long BytesFreed { get; init; }

    /// <summary>Files that could not be understood. While a session or a turn is among them, no turn is deleted.</summary>
    public IReadOnlyList<string> Damaged { get; init; } = [];
    public TimeSpan Elapsed { get; init; }
}
