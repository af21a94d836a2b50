using System.Text.Json;

namespace Loire.Text;

/// <summary>How a model wants its conversations written: the chat template and special tokens of a model folder.</summary>
public sealed class ChatFormat
{
    public static ChatFormat Load(string modelFolder, TimeProvider? time = null) => throw new NotImplementedException();

    public string Render(IReadOnlyList<ChatMessage> messages, bool addGenerationPrompt, JsonElement? tools = null, IReadOnlyDictionary<string, JsonElement>? variables = null) =>
        throw new NotImplementedException();

    public int[] Encode(IReadOnlyList<ChatMessage> messages, bool addGenerationPrompt, Tokenizer tokenizer, JsonElement? tools = null, IReadOnlyDictionary<string, JsonElement>? variables = null) =>
        throw new NotImplementedException();

    public int[]? EncodeContinuation(ReadOnlySpan<int> have, IReadOnlyList<ChatMessage> messages, bool addGenerationPrompt, Tokenizer tokenizer, JsonElement? tools = null, IReadOnlyDictionary<string, JsonElement>? variables = null) =>
        throw new NotImplementedException();
}
