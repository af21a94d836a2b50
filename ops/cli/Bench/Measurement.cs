using System.Text.Json.Serialization;

namespace Loire.Cli.Bench;

/// <summary>One figure of a benchmark: its samples, and what they are compared with.</summary>
internal sealed record Measurement
{
    [JsonPropertyName("name")]
    public required string Name { get; init; }

    [JsonPropertyName("unit")]
    public required string Unit { get; init; }

    [JsonPropertyName("samples")]
    public required IReadOnlyList<double> Samples { get; init; }

    /// <summary>What the machine could do at most, in the same unit. Null: no such limit is known.</summary>
    [JsonPropertyName("limit")]
    public double? Limit { get; init; }

    [JsonPropertyName("target")]
    public double? Target { get; init; }

    /// <summary>Of <see cref="Target"/>: whether less is better.</summary>
    [JsonPropertyName("lowerIsBetter")]
    public bool LowerIsBetter { get; init; }

    [JsonPropertyName("median")]
    public double Median => MedianOf(Samples);

    [JsonPropertyName("min")]
    public double Min => Samples.Min();

    [JsonPropertyName("max")]
    public double Max => Samples.Max();

    [JsonPropertyName("shareOfLimit")]
    public double? ShareOfLimit => Limit is { } limit ? Median / limit : null;

    /// <summary>Null without a target.</summary>
    [JsonPropertyName("met")]
    public bool? IsMet => Target is not { } target ? null : LowerIsBetter ? Median <= target : Median >= target;

    public static double MedianOf(IEnumerable<double> samples)
    {
        var sorted = samples.Order().ToArray();
        return sorted.Length % 2 == 1 ? sorted[sorted.Length / 2] : (sorted[(sorted.Length / 2) - 1] + sorted[sorted.Length / 2]) / 2;
    }
}
