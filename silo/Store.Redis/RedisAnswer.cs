using StackExchange.Redis;

namespace Loire.Store.Redis;

/// <summary>Reads an answer as what the command or script is known to give.</summary>
internal static class RedisAnswer
{
    /// <exception cref="InvalidOperationException">It is no list.</exception>
    public static RedisResult[] Parts(this RedisResult answer) => (RedisResult[]?)answer ?? throw NothingInsteadOf("a list");

    /// <exception cref="InvalidOperationException">It is no list of texts.</exception>
    public static string[] Texts(this RedisResult answer) => Array.ConvertAll(answer.Parts(), Text);

    /// <exception cref="InvalidOperationException">It is no list of numbers.</exception>
    public static long[] Numbers(this RedisResult answer) => (long[]?)answer ?? throw NothingInsteadOf("a list of numbers");

    /// <exception cref="InvalidOperationException">It is no text.</exception>
    public static string Text(this RedisResult answer) => (string?)answer ?? throw NothingInsteadOf("a text");

    /// <exception cref="InvalidOperationException">It is no text.</exception>
    public static byte[] Bytes(this RedisResult answer) => (byte[]?)answer ?? throw NothingInsteadOf("bytes");

    private static InvalidOperationException NothingInsteadOf(string expected) => new($"Redis answered nothing where {expected} was expected.");
}
