using System.Globalization;
using System.Text;
using StackExchange.Redis;

namespace Loire.Store.Redis;

/// <summary>Names of everything that the store keeps in Redis; README.md says what is behind each.</summary>
internal sealed class RedisKeys(string cluster)
{
    public const string Blobs = "blobs";
    public const string Checkpoints = "checkpoints";
    public const string Turns = "turns";
    public const string Sessions = "sessions";
    public const string Marks = "marks";

    /// <summary>First part of every key: product, version of the layout, and the hash tag that keeps a cluster's keys in one slot.</summary>
    public string Prefix { get; } = $"loire:1:{{{cluster}}}:";

    public string Blob(Digest address) => $"{Prefix}b:{address}";

    public string Chunk(Digest address, string write, int index) =>
        string.Create(CultureInfo.InvariantCulture, $"{Prefix}c:{address}:{write}:{index}");

    public string Checkpoint(Digest address) => $"{Prefix}m:{address}";

    public string Turn(Digest id) => $"{Prefix}t:{id}";

    public string Session(Digest session) => $"{Prefix}s:{session}";

    public string Index(string index) => Prefix + index;

    public RedisKey SessionsOf(StateOwner owner) => $"{Prefix}o:{OwnerOf(owner)}";

    /// <summary>Any characters may be in a name; its digest has none that matter to a key.</summary>
    public static Digest SessionOf(StateOwner owner, string id) =>
        Digest.Of(Encoding.UTF8.GetBytes($"loire.session.v1\0{owner.Value.Length}\0{owner.Value}{id}"));

    public static Digest OwnerOf(StateOwner owner) => Digest.Of(Encoding.UTF8.GetBytes($"loire.owner.v1\0{owner.Value}"));
}
