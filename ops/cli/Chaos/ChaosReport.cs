using Loire.Cli.Terminal;

namespace Loire.Cli.Chaos;

/// <summary>What a run did to the cluster, and what its clients saw.</summary>
internal sealed record ChaosReport
{
    public required double Seconds { get; init; }
    public required int Seed { get; init; }
    public required IReadOnlyDictionary<string, int> Faults { get; init; }

    /// <summary>Turns whose end the client saw.</summary>
    public required int Acknowledged { get; init; }

    public required long Tokens { get; init; }

    /// <summary>Turns that a client had to ask for again, since its gateway gave up.</summary>
    public required int AskedAgain { get; init; }

    /// <summary>Acknowledged turns that are not in their session at the end.</summary>
    public required int Lost { get; init; }

    /// <summary>Turns that are there twice.</summary>
    public required int Repeated { get; init; }

    /// <summary>Streams that differ from what the same conversation gives undisturbed.</summary>
    public required int Different { get; init; }

    /// <summary>Commits with a stale epoch that were tried on purpose, and those that the store let through.</summary>
    public required int StaleTried { get; init; }

    public required int StaleCommitted { get; init; }

    /// <summary>Slots, pages and running turns that are in use when nobody uses any.</summary>
    public required int Leaked { get; init; }

    /// <summary>Blobs, checkpoints and turns in the store that no session reaches, after a sweep.</summary>
    public required long Unreachable { get; init; }

    /// <summary>Longest time without a token within a stream, in ms, of the streams that were hit by a fault.</summary>
    public required Percentiles Pauses { get; init; }

    public required IReadOnlyList<string> Notes { get; init; }

    public bool Holds => Lost == 0 && Repeated == 0 && Different == 0 && StaleCommitted == 0 && Leaked == 0 && Unreachable == 0 && Acknowledged > 0;

    public void Print(TextWriter output)
    {
        var table = new TextTable("what", "figure");
        table.Add("seconds", $"{Seconds:0}");
        foreach (var (fault, count) in Faults.OrderBy(pair => pair.Key, StringComparer.Ordinal))
        {
            table.Add(fault, $"{count}");
        }

        table.Add("turns acknowledged", $"{Acknowledged}");
        table.Add("tokens", $"{Tokens}");
        table.Add("asked again by the client", $"{AskedAgain}");
        table.Add("pauses above 250 ms", $"{Pauses.Count}");
        table.Add("  p50, ms", $"{Pauses.P50:0}");
        table.Add("  p99, ms", $"{Pauses.P99:0}");
        table.Add("  longest, ms", $"{Pauses.Longest:0}");
        table.Add("lost", $"{Lost}");
        table.Add("repeated", $"{Repeated}");
        table.Add("streams that differ", $"{Different}");
        table.Add("stale commits tried", $"{StaleTried}");
        table.Add("stale commits let through", $"{StaleCommitted}");
        table.Add("slots, pages and turns leaked", $"{Leaked}");
        table.Add("unreachable things left in the store", $"{Unreachable}");
        output.Write(table);
        foreach (var note in Notes)
        {
            output.WriteLine($"  {note}");
        }

        output.WriteLine(Holds ? "Everything that must hold held." : "SOMETHING THAT MUST HOLD DID NOT.");
    }
}

internal sealed record Percentiles(int Count, double P50, double P99, double Longest)
{
    public static Percentiles Of(IEnumerable<double> values)
    {
        double[] sorted = [.. values.Order()];
        return sorted.Length == 0
            ? new Percentiles(0, 0, 0, 0)
            : new Percentiles(sorted.Length, At(0.5), At(0.99), sorted[^1]);

        double At(double share) => sorted[(int)Math.Min(sorted.Length - 1, Math.Ceiling(share * sorted.Length) - 1)];
    }
}
