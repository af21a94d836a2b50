using System.ComponentModel.DataAnnotations;

namespace Loire.Store;

/// <summary>How a store on disk keeps its files. Read once, when the store is opened.</summary>
public sealed class DirectoryStoreOptions
{
    public const string Section = "Store";

    /// <summary>Directory of the store; created if there is none. One process at a time has it open.</summary>
    [Required]
    public required string Path { get; init; }

    /// <summary>Most bytes of files, or no bound but the disk's. State is refused at the bound, turns and sessions a sixteenth above it.</summary>
    [Range(1 << 20, long.MaxValue)]
    public long? MaxBytes { get; init; }

    /// <summary>How long state that no session reaches stays after its last use. A day: who returns tomorrow finds a warm cache.</summary>
    [Range(typeof(TimeSpan), "00:00:00", "3650.00:00:00")]
    public TimeSpan TimeToLive { get; init; } = TimeSpan.FromHours(24);

    /// <summary>Newest turns of each session whose checkpoints stay for as long as the session: what rewind is instant for.</summary>
    [Range(1, 1024)]
    public int KeepCheckpoints { get; init; } = 8;

    /// <summary>Waits for the disk on blobs and manifests as well. Off: ops/decisions/0003-what-is-synced.md says why.</summary>
    public bool SyncState { get; init; }

    /// <summary>Waits for the disk on turns and references. Off only where losing acknowledged turns in a power cut is acceptable, as in tests.</summary>
    public bool SyncRecords { get; init; } = true;

    /// <summary>Threads that read or write the blobs of one call.</summary>
    [Range(1, 64)]
    public int Workers { get; init; } = 2;
}
