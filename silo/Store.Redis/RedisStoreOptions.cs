using System.ComponentModel.DataAnnotations;

namespace Loire.Store.Redis;

/// <summary>How a store on Redis is reached and how much it may take. Read once, when the store is opened.</summary>
public sealed class RedisStoreOptions
{
    public const string Section = "RedisStore";

    /// <summary>No value in Redis is larger, whatever is stored.</summary>
    public const int MostValueBytes = 8 << 20;

    /// <summary>Addresses and settings, such as <c>redis-0:6379,redis-1:6379,password=…</c>. With several, the one that is the primary is written to.</summary>
    [Required, MinLength(1)]
    public required string Connection { get; init; }

    /// <summary>Keeps clusters on one Redis apart. Part of every key.</summary>
    [Required, RegularExpression("^[A-Za-z0-9._-]{1,64}$")]
    public string Cluster { get; init; } = "default";

    /// <summary>How long state that no session reaches stays after its last use. The silos' clocks agree to well within it.</summary>
    [Range(typeof(TimeSpan), "00:00:00", "3650.00:00:00")]
    public TimeSpan TimeToLive { get; init; } = TimeSpan.FromHours(24);

    /// <summary>Newest turns of each session whose checkpoints stay for as long as the session: what rewind is instant for.</summary>
    [Range(1, 1024)]
    public int KeepCheckpoints { get; init; } = 8;

    /// <summary>Most bytes of what is stored, or no bound but Redis' own <c>maxmemory</c>. Blobs are refused at the bound, turns and sessions are not.</summary>
    [Range(1 << 20, long.MaxValue)]
    public long? MaxBytes { get; init; }

    /// <summary>A blob above this many bytes is stored in pieces of this many.</summary>
    [Range(64 << 10, MostValueBytes - 1024)]
    public int ChunkBytes { get; init; } = 1 << 20;

    /// <summary>Bytes of blobs on their way to or from Redis at once, over all calls. More wait.</summary>
    [Range(1 << 20, 1 << 30)]
    public int InFlightBytes { get; init; } = 16 << 20;

    /// <summary>Longest that one command takes, with waiting for a connection and repeating it on another. Then the call fails.</summary>
    [Range(typeof(TimeSpan), "00:00:00.050", "00:05:00")]
    public TimeSpan OperationTimeout { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>Longest that one attempt to connect takes.</summary>
    [Range(typeof(TimeSpan), "00:00:00.050", "00:01:00")]
    public TimeSpan ConnectTimeout { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>Pause between two attempts to connect.</summary>
    [Range(typeof(TimeSpan), "00:00:00.005", "00:01:00")]
    public TimeSpan ReconnectEvery { get; init; } = TimeSpan.FromMilliseconds(50);

    /// <summary>Replicas that must have a turn or a session's move before it is acknowledged. 0: the primary alone.</summary>
    [Range(0, 16)]
    public int Replicas { get; init; }

    /// <summary>Start although Redis may evict keys (<c>maxmemory-policy</c> other than <c>noeviction</c>). State, turns and sessions can then vanish.</summary>
    public bool AllowEviction { get; init; }
}
