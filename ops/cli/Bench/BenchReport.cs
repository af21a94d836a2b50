using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using Loire.Cli.Terminal;

namespace Loire.Cli.Bench;

/// <summary>All figures of one run on one machine.</summary>
internal sealed record BenchReport
{
    private static readonly JsonSerializerOptions Readable = new() { WriteIndented = true };

    [JsonPropertyName("model")]
    public required string Model { get; init; }

    /// <summary>What <c>ops/bench</c> was asked for.</summary>
    [JsonPropertyName("command")]
    public required string Command { get; init; }

    [JsonPropertyName("at")]
    public required DateTimeOffset At { get; init; }

    [JsonPropertyName("machine")]
    public required Machine Machine { get; init; }

    [JsonPropertyName("measurements")]
    public required IReadOnlyList<Measurement> Measurements { get; init; }

    public string ToJson() => JsonSerializer.Serialize(this, Readable);

    public override string ToString() => $"{Head}{Environment.NewLine}{Environment.NewLine}{Table()}";

    public string ToMarkdown() => new StringBuilder()
        .AppendLine($"# {Model}, on {Machine.Processor}, {Machine.Cores} cores")
        .AppendLine()
        .AppendLine($"`ops/bench {Command} --write-results`, {At:yyyy-MM-dd}. Median of the runs, with the smallest and the largest.")
        .AppendLine()
        .AppendLine(Head)
        .AppendLine()
        .Append(Table().ToMarkdown())
        .ToString();

    private string Head =>
        $"{Machine.Processor}, {Machine.Cores} cores, {Machine.VectorBits}-bit vectors; {Machine.Runtime} on {Machine.System}. "
        + $"Measured limits: {Machine.ReadBytesPerSecond / 1e9:0.0} GB/s read from memory, {Machine.FlopsPerSecond / 1e9:0} GFLOP/s in fp32.";

    private TextTable Table()
    {
        var table = new TextTable("measured", "median", "min", "max", "unit", "of the limit", "target", "");
        foreach (var measurement in Measurements)
        {
            table.Add(
                measurement.Name,
                Show(measurement.Median),
                Show(measurement.Min),
                Show(measurement.Max),
                measurement.Unit,
                measurement.ShareOfLimit is { } share ? $"{share * 100:0} %" : "",
                measurement.Target is { } target ? $"{(measurement.LowerIsBetter ? "<= " : ">= ")}{Show(target)}" : "",
                measurement.IsMet is { } met ? met ? "met" : "MISSED" : "");
        }

        return table;
    }

    private static string Show(double value) => Math.Abs(value) switch
    {
        0 => "0",
        < 1 => $"{value:0.00}",
        < 100 => $"{value:0.0}",
        _ => $"{value:0}",
    };
}
