using System.Security.Cryptography;
using System.Text;

namespace Loire.Store.Redis;

/// <summary>A Lua script: the common beginning and a file of its own, with the digest that Redis knows it by.</summary>
internal sealed class RedisScript
{
    private static readonly string Common = Load("common");
    private static readonly List<RedisScript> Known = [];

    private RedisScript(string name)
    {
        Name = name;
        Text = Common + Load(name);
#pragma warning disable CA5350 // Redis names scripts by SHA-1; nothing is protected by it.
        Hash = SHA1.HashData(Encoding.UTF8.GetBytes(Text));
#pragma warning restore CA5350
        Known.Add(this);
    }

    public static RedisScript Stats { get; } = new("stats");
    public static RedisScript BlobLook { get; } = new("blob-look");
    public static RedisScript BlobConfirm { get; } = new("blob-confirm");
    public static RedisScript BlobPut { get; } = new("blob-put");
    public static RedisScript Aside { get; } = new("aside");
    public static RedisScript CheckpointPut { get; } = new("checkpoint-put");
    public static RedisScript CheckpointGet { get; } = new("checkpoint-get");
    public static RedisScript CheckpointDiscard { get; } = new("checkpoint-discard");
    public static RedisScript Find { get; } = new("find");
    public static RedisScript TurnPut { get; } = new("turn-put");
    public static RedisScript SessionSwap { get; } = new("session-swap");
    public static RedisScript SessionDelete { get; } = new("session-delete");
    public static RedisScript SweepBegin { get; } = new("sweep-begin");
    public static RedisScript SweepNotes { get; } = new("sweep-notes");
    public static RedisScript SweepSessions { get; } = new("sweep-sessions");
    public static RedisScript SweepWalk { get; } = new("sweep-walk");
    public static RedisScript SweepFields { get; } = new("sweep-fields");
    public static RedisScript SweepDelete { get; } = new("sweep-delete");
    public static RedisScript SweepEnd { get; } = new("sweep-end");

    /// <summary>All of them: a connection loads them before it is used.</summary>
    public static IReadOnlyList<RedisScript> All => Known;

    public string Name { get; }

    public string Text { get; }

    public byte[] Hash { get; }

    private static string Load(string name)
    {
        using var stream = typeof(RedisScript).Assembly.GetManifestResourceStream(name + ".lua")
            ?? throw new InvalidOperationException($"The script {name}.lua is not in the assembly.");
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }
}
