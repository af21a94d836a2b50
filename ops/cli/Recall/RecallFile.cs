using System.Text.Json;
using System.Text.Json.Serialization;
using Loire.Cli.Terminal;

namespace Loire.Cli.Recall;

/// <summary>A held-out conversation with the expected answers.</summary>
internal sealed record RecallConversation(
    [property: JsonPropertyName("turns")] int Turns,
    [property: JsonPropertyName("messages")] IReadOnlyList<RecallTurn> Messages);

/// <param name="User">What is said.</param>
/// <param name="Expected">The right answer.</param>
/// <param name="Kind"><c>tell</c>, whose acknowledgement is free; all others are scored.</param>
internal sealed record RecallTurn(
    [property: JsonPropertyName("user")] string User,
    [property: JsonPropertyName("expected")] string Expected,
    [property: JsonPropertyName("kind")] string Kind)
{
    public bool IsScored => Kind != "tell";
}

/// <summary>Reads a recall file.</summary>
internal static class RecallFile
{
    public static IReadOnlyList<RecallConversation> Read(string path)
    {
        if (!File.Exists(path))
        {
            throw CommandFailedException.Missing("The recall file", path, "Name a JSON list of conversations by --file.");
        }

        try
        {
            using var stream = File.OpenRead(path);
            var conversations = JsonSerializer.Deserialize<List<RecallConversation>>(stream);
            return conversations is { Count: > 0 } && conversations.TrueForAll(IsComplete)
                ? conversations
                : throw new CommandFailedException($"{path}: every conversation needs 'messages' with 'user', 'expected' and 'kind', and there must be one at least.", exitCode: 2);
        }
        catch (JsonException exception)
        {
            throw new CommandFailedException($"{path}: {exception.Message}", exitCode: 2, exception);
        }
    }

    private static bool IsComplete(RecallConversation conversation) =>
        conversation?.Messages is { Count: > 0 } messages && messages.All(turn => turn is { User: not null, Expected: not null, Kind: not null });
}
