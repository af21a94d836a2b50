using System.Security.Cryptography;
using System.Text;

namespace Loire.Actors.Redis;

/// <summary>A Lua script that Redis knows by the digest of its text.</summary>
/// <remarks>
/// When Redis is at its memory limit, those that take more are refused, and the others run: a full Redis lets nothing new in, but nobody
/// loses a lease by it. Scripts say so from Redis 7 on.
/// </remarks>
internal sealed class RedisScript
{
    private static readonly string Prelude = TextOf("prelude");

    /// <param name="name">Its file.</param>
    /// <param name="grows">It takes memory.</param>
    /// <param name="isOfCluster">It works on the cluster's keys, in the order that the prelude gives them.</param>
    private RedisScript(string name, bool grows = false, bool isOfCluster = true)
    {
        Name = name;
        Text = $"#!lua flags={(grows ? "" : "allow-oom")}\n{(isOfCluster ? Prelude : "")}\n{TextOf(name)}";
#pragma warning disable CA5350 // Redis names scripts by SHA-1; nothing is kept secret by it.
        Digest = Convert.ToHexStringLower(SHA1.HashData(Encoding.UTF8.GetBytes(Text)));
#pragma warning restore CA5350
    }

    public static RedisScript Join { get; } = new("join", grows: true);

    public static RedisScript Beat { get; } = new("beat");

    public static RedisScript Status { get; } = new("status");

    public static RedisScript Bury { get; } = new("bury");

    public static RedisScript Read { get; } = new("read");

    public static RedisScript Register { get; } = new("register", grows: true);

    public static RedisScript Unregister { get; } = new("unregister");

    public static RedisScript Lookup { get; } = new("lookup");

    public static RedisScript Sweep { get; } = new("sweep");

    public static RedisScript StateRead { get; } = new("state-read", isOfCluster: false);

    public static RedisScript StateWrite { get; } = new("state-write", grows: true, isOfCluster: false);

    public static RedisScript StateClear { get; } = new("state-clear", isOfCluster: false);

    public string Name { get; }

    public string Text { get; }

    public string Digest { get; }

    private static string TextOf(string name)
    {
        using var stream = typeof(RedisScript).Assembly.GetManifestResourceStream($"{name}.lua")
            ?? throw new InvalidOperationException($"The script {name}.lua is not in the assembly.");
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }
}
