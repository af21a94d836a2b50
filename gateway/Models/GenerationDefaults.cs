using System.Text.Json;

namespace Loire.Gateway;

/// <summary>How a model's makers want it sampled when a request does not say: <c>generation_config.json</c>.</summary>
internal sealed record GenerationDefaults
{
    public float Temperature { get; init; } = 1;
    public int TopK { get; init; }
    public float TopP { get; init; } = 1;
    public float RepetitionPenalty { get; init; } = 1;

    public static async Task<GenerationDefaults> LoadAsync(string modelFolder, CancellationToken cancellationToken)
    {
        var path = Path.Combine(modelFolder, "generation_config.json");
        if (!File.Exists(path))
        {
            return new GenerationDefaults();
        }

        await using var file = File.OpenRead(path);
        using var document = await JsonDocument.ParseAsync(file, cancellationToken: cancellationToken);
        return Of(document.RootElement);
    }

    /// <summary>Greedy when the model asks not to be sampled; otherwise what it names, within what requests may ask for.</summary>
    public static GenerationDefaults Of(JsonElement config)
    {
        if (config.ValueKind != JsonValueKind.Object)
        {
            return new GenerationDefaults();
        }

        var greedy = config.TryGetProperty("do_sample", out var sample) && sample.ValueKind == JsonValueKind.False;
        return new GenerationDefaults
        {
            Temperature = greedy ? 0 : Number(config, "temperature", 0, 2, otherwise: 1),
            TopK = greedy ? 0 : (int)Number(config, "top_k", 0, 1_000_000, otherwise: 0),
            TopP = greedy ? 1 : Number(config, "top_p", 0.001f, 1, otherwise: 1),
            RepetitionPenalty = Number(config, "repetition_penalty", 0.01f, 10, otherwise: 1),
        };
    }

    private static float Number(JsonElement config, string name, float min, float max, float otherwise) =>
        config.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.Number && value.TryGetSingle(out var number) && number >= min && number <= max
            ? number
            : otherwise;
}
