using System.Text.Json;
using Loire.Engine.Models;
using Loire.Engine.Tests.Weights;

namespace Loire.Gpu.Tests.Engine;

/// <summary>What models are fed with.</summary>
internal static class Prompts
{
    public static int[] RandomTokens(string folder, int tokens) => Numbers.Integers(seed: 11, tokens, ModelFolder.Open(folder).Graph.VocabularySize);

    /// <summary>A conversation of the demo model's reference: what it was trained for.</summary>
    public static int[] Conversation(int tokens)
    {
        using var reference = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(RepositoryPaths.DemoModel, "reference.json")));
        return [.. reference.RootElement.GetProperty("conversations").EnumerateArray()
            .SelectMany(conversation => conversation.GetProperty("ids").EnumerateArray().Select(id => id.GetInt32())).Take(tokens)];
    }
}
