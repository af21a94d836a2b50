using System.Collections.Immutable;
using System.Text.Json;
using Loire.Engine.Weights;

namespace Loire.Engine.Models;

/// <summary>Turns a model folder's <c>config.json</c> into a graph.</summary>
/// <remarks>A family is one file beside this one and one line of <see cref="Families"/>.</remarks>
public static class ModelConfig
{
    public const string FileName = "config.json";
    private const string GenerationFileName = "generation_config.json";

    /// <summary>What reads a config of each <c>model_type</c>.</summary>
    private static readonly ImmutableSortedDictionary<string, Func<ConfigReader, string, ModelGraph>> Families =
        new Dictionary<string, Func<ConfigReader, string, ModelGraph>>
        {
            ["minimax"] = MiniMax.Read,
            ["minimax_m1"] = MiniMax.Read,
            ["minimax_text_01"] = MiniMax.Read,
            ["MiniMaxText01"] = MiniMax.Read,
        }.ToImmutableSortedDictionary(StringComparer.Ordinal);

    /// <exception cref="ModelFormatException">The config is missing, broken, out of range, or of a family that is not supported.</exception>
    public static ModelGraph Load(string modelFolder)
    {
        var path = Path.Combine(modelFolder, ConfigFile(modelFolder));
        using var document = JsonBytes.ParseFile(path);
        var graph = Read(path, document.RootElement);
        return graph with { EndTokens = [.. graph.EndTokens.Concat(GenerationEndTokens(modelFolder, graph.VocabularySize)).Distinct().Order()] };
    }

    private static string ConfigFile(string modelFolder) =>
        Directory.Exists(modelFolder) ? FileName : throw new ModelFormatException(modelFolder, "no such folder.");

    private static ModelGraph Read(string path, JsonElement root)
    {
        if (root.TryGetProperty("model_type", out var type) && JsonBytes.TryText(type, out var modelType) && Families.TryGetValue(modelType, out var family))
        {
            return family(new ConfigReader(path, root), modelType);
        }

        var found = type.ValueKind is JsonValueKind.Undefined ? "missing" : JsonBytes.Show(type);
        throw new ModelFormatException(path, $"model_type is {found}; supported: {string.Join(", ", Families.Keys)}.");
    }

    /// <summary>Chat models often end their turn with tokens that only this file names.</summary>
    private static ImmutableArray<int> GenerationEndTokens(string modelFolder, int vocabularySize)
    {
        var path = Path.Combine(modelFolder, GenerationFileName);
        if (!File.Exists(path))
        {
            return [];
        }

        using var document = JsonBytes.ParseFile(path);
        return new ConfigReader(path, document.RootElement).Tokens("eos_token_id", vocabularySize);
    }
}
