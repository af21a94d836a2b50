using System.Diagnostics.Metrics;

namespace Loire.Telemetry.Prometheus;

/// <summary>Upper bounds of a histogram's buckets: what the instrument advises, else by its unit.</summary>
internal static class Buckets
{
    // A first token takes from a millisecond (restored, demo model) to half a minute (a long prompt): four steps a decade where it counts.
    private static readonly double[] s_milliseconds = [0.25, 0.5, 1, 2.5, 5, 10, 20, 35, 50, 75, 100, 150, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000];
    private static readonly double[] s_seconds = [.. s_milliseconds.Select(bound => bound / 1000)];
    private static readonly double[] s_bytes = [.. Enumerable.Range(5, 11).Select(power => Math.Pow(4, power))]; // 1 KiB to 1 GiB
    private static readonly double[] s_counts = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 100_000, 1_000_000];

    public static double[] Of(Instrument instrument) => Advised(instrument) ?? instrument.Unit switch
    {
        "ms" => s_milliseconds,
        "s" => s_seconds,
        "By" => s_bytes,
        _ => s_counts,
    };

    private static double[]? Advised(Instrument instrument) => instrument switch
    {
        Histogram<double> { Advice.HistogramBucketBoundaries: { } bounds } => [.. bounds],
        Histogram<long> { Advice.HistogramBucketBoundaries: { } bounds } => [.. bounds.Select(bound => (double)bound)],
        Histogram<int> { Advice.HistogramBucketBoundaries: { } bounds } => [.. bounds.Select(bound => (double)bound)],
        _ => null,
    };
}
