namespace Loire.Cli.Soak;

/// <summary>One figure of the samples, and how much it may grow over the second half of a soak.</summary>
/// <param name="Name">With its unit.</param>
/// <param name="Of">Its value in a sample.</param>
/// <param name="MostGrowth">Share of its mean, such as 0.03. Null: it is what was asked of the cluster, and is only shown.</param>
internal sealed record SoakSeries(string Name, Func<SoakSample, double> Of, double? MostGrowth)
{
    /// <summary>Twice as long as the store is swept every, so that how full it is between two sweeps is no trend.</summary>
    private const double BlockSeconds = 30;

    /// <summary>
    /// A key, a grain or a handle left behind at each turn would be some thousands in five minutes, many times these bounds; so would a
    /// state. Below them is how much the few sessions and grains that are there at once go up and down, and what a process takes for
    /// garbage that it has not collected yet, and for code that runs for the first time.
    /// </summary>
    public static IReadOnlyList<SoakSeries> All { get; } =
    [
        new("turns/s", sample => sample.TurnsPerSecond, null),
        new("memory, MB", sample => sample.MemoryBytes / 1e6, 0.05),
        new("heap, MB", sample => sample.HeapBytes / 1e6, 0.20),
        new("handles", sample => sample.Handles, 0.02),
        new("threads", sample => sample.Threads, 0.15),
        new("sessions", sample => sample.Sessions, 0.25),
        new("Redis keys", sample => sample.RedisKeys, 0.10),
        new("Redis, MB", sample => sample.RedisBytes / 1e6, 0.10),
        new("directory", sample => sample.DirectoryEntries, 0.25),
    ];

    /// <exception cref="ArgumentException">The samples are of too short a time.</exception>
    public SoakVerdict Judge(IReadOnlyList<SoakSample> samples)
    {
        var trend = SoakTrend.Of([.. samples
            .GroupBy(sample => Math.Floor(sample.Seconds / BlockSeconds))
            .Select(block => (block.Average(sample => sample.Seconds), block.Average(Of)))]);
        return new SoakVerdict(Name, trend.Mean, trend.Growth, trend.Error, MostGrowth is { } share ? share * trend.Mean : null);
    }

    /// <summary>Whether samples of so long a time have a trend.</summary>
    public static bool CanJudge(IReadOnlyList<SoakSample> samples) =>
        samples.Count > 0 && samples[^1].Seconds - samples[0].Seconds >= SoakTrend.FewestSamples * BlockSeconds;
}

/// <summary>Whether a series grew over the time that was looked at.</summary>
/// <param name="Series">Its name.</param>
/// <param name="Mean">Of its samples.</param>
/// <param name="Growth">By the line that fits best.</param>
/// <param name="Error">Standard error of the growth.</param>
/// <param name="Bound">The most that it may have grown; null when it has none.</param>
internal sealed record SoakVerdict(string Series, double Mean, double Growth, double Error, double? Bound)
{
    /// <summary>The growth is below its bound by twice its error.</summary>
    public bool IsFlat => Bound is not { } bound || Growth + (2 * Error) <= bound;

    public string Word => Bound is not { } bound ? "" : IsFlat ? "flat" : Growth - (2 * Error) > bound ? "GROWS" : "NOT SHOWN FLAT";
}
