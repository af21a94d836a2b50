using StackExchange.Redis;

namespace Loire.Actors.Redis;

/// <summary>Reads an answer as what the script is known to give.</summary>
internal static class RedisAnswer
{
    /// <exception cref="InvalidOperationException">It is no list.</exception>
    public static RedisResult[] Parts(this RedisResult answer) =>
        (RedisResult[]?)answer ?? throw new InvalidOperationException("Redis answered nothing where a list was expected.");

    /// <exception cref="InvalidOperationException">It is no text.</exception>
    public static string Text(this RedisResult answer) =>
        (string?)answer ?? throw new InvalidOperationException("Redis answered nothing where a text was expected.");
}
