using Loire.Cli.Terminal;

namespace Loire.Cli.Soak;

/// <summary>What a soak showed: the samples, the trends of their second half, and what was left when all sessions were gone.</summary>
internal sealed record SoakReport
{
    private const int Rows = 12;

    public required int Turns { get; init; }

    /// <summary>That came and went.</summary>
    public required int Sessions { get; init; }

    /// <summary>Calls that were refused.</summary>
    public required int Refused { get; init; }

    /// <summary>Slots, pages and turns in use after every session was deleted.</summary>
    public required int Leaked { get; init; }

    /// <summary>What the store holds after that, and after a sweep.</summary>
    public required long Unreachable { get; init; }

    public required IReadOnlyList<SoakSample> Samples { get; init; }

    /// <summary>Empty when the soak was too short for any.</summary>
    public required IReadOnlyList<SoakVerdict> Trends { get; init; }

    public bool Holds => Trends.Count > 0 && Trends.All(trend => trend.IsFlat) && Leaked == 0 && Unreachable == 0;

    /// <summary>Trends of the second half: by then everything that lives for a bounded time has gone at least once.</summary>
    public static IReadOnlyList<SoakVerdict> TrendsOf(IReadOnlyList<SoakSample> samples)
    {
        SoakSample[] second = [.. samples.Skip(samples.Count / 2)];
        return SoakSeries.CanJudge(second) ? [.. SoakSeries.All.Select(series => series.Judge(second))] : [];
    }

    public void Print(TextWriter output)
    {
        output.WriteLine($"{Turns} turns; {Sessions} sessions came and went; {Refused} calls refused.");
        output.Write(Table());
        output.WriteLine();
        if (Trends.Count > 0)
        {
            output.WriteLine($"Trends from {Samples[Samples.Count / 2].Seconds:0} s to {Samples[^1].Seconds:0} s, with twice their standard error:");
            output.Write(TrendTable());
        }

        output.WriteLine($"After all sessions were deleted: {Leaked} slots, pages and turns in use; {Unreachable} things in the store.");
        output.WriteLine(Holds ? "Everything is flat." : Trends.Count == 0 ? "TOO SHORT TO SHOW A TREND." : "NOT EVERYTHING IS SHOWN TO BE FLAT.");
    }

    /// <summary>About a dozen rows, the first and the last among them.</summary>
    private TextTable Table()
    {
        var table = new TextTable(["s", .. SoakSeries.All.Select(series => series.Name)]);
        var every = Math.Max(1, Samples.Count / Rows);
        foreach (var (_, sample) in Samples.Index().Where(pair => pair.Index % every == 0 || pair.Index == Samples.Count - 1))
        {
            table.Add([$"{sample.Seconds:0}", .. SoakSeries.All.Select(series => Show(series.Of(sample)))]);
        }

        return table;
    }

    private TextTable TrendTable()
    {
        var table = new TextTable("series", "mean", "grew by", "+-", "may grow by", "");
        foreach (var trend in Trends)
        {
            table.Add(trend.Series, Show(trend.Mean), Show(trend.Growth), Show(2 * trend.Error), trend.Bound is { } bound ? Show(bound) : "", trend.Word);
        }

        return table;
    }

    private static string Show(double value) => Math.Abs(value) < 1000 ? $"{value:0.0}" : $"{value:0}";
}
