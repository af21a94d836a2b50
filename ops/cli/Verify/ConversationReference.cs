using System.Text.Json;
using System.Text.Json.Serialization;
using Loire.Engine.Weights;

namespace Loire.Cli.Verify;

/// <summary>The part of a <c>reference.json</c> that is about text: conversations answered greedily, and tokenizer cases.</summary>
internal sealed record ConversationReference
{
    [JsonPropertyName("conversations")]
    public IReadOnlyList<Conversation> Conversations { get; init; } = [];

    [JsonPropertyName("tokenizations")]
    public IReadOnlyList<Tokenization> Tokenizations { get; init; } = [];

    /// <summary>Null when the folder has no such file.</summary>
    public static ConversationReference? Load(string modelFolder)
    {
        var path = Path.Combine(modelFolder, "reference.json");
        if (!File.Exists(path))
        {
            return null;
        }

        try
        {
            using var stream = File.OpenRead(path);
            return JsonSerializer.Deserialize<ConversationReference>(stream);
        }
        catch (JsonException exception)
        {
            throw new ModelFormatException(path, $"not a reference: {exception.Message}", exception);
        }
    }

    /// <param name="Turns">Pairs of question and answer.</param>
    /// <param name="Ids">The whole conversation, as the chat template writes it.</param>
    internal sealed record Conversation(
        [property: JsonPropertyName("turns")] IReadOnlyList<IReadOnlyList<string>> Turns,
        [property: JsonPropertyName("ids")] int[] Ids);

    internal sealed record Tokenization(
        [property: JsonPropertyName("text")] string Text,
        [property: JsonPropertyName("ids")] int[] Ids,
        [property: JsonPropertyName("decoded")] string Decoded);
}
