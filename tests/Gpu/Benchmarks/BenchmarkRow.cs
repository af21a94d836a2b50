namespace Loire.Gpu.Tests.Benchmarks;

/// <summary>A line of the table of results.</summary>
/// <param name="Kernel">Name.</param>
/// <param name="Shape">Of the case.</param>
/// <param name="Microseconds">Of one repetition.</param>
/// <param name="BytesPerSecond">Counted, not measured.</param>
/// <param name="OperationsPerSecond">Counted.</param>
/// <param name="Share">Of the limit that it comes nearer to.</param>
public sealed record BenchmarkRow(string Kernel, string Shape, Spread Microseconds, double BytesPerSecond, double OperationsPerSecond, double Share)
{
    public static BenchmarkRow Of(string kernel, BenchmarkCase measured, Spread microseconds, DeviceLimits limits)
    {
        var bytes = measured.Bytes / microseconds.Median * 1e6;
        var operations = measured.Operations / microseconds.Median * 1e6;
        var share = Math.Max(bytes / limits.BytesPerSecond, operations / limits.OperationsPerSecond);
        return new BenchmarkRow(kernel, measured.Shape, microseconds, bytes, operations, share);
    }

    public string AsMarkdown() =>
        $"| {Kernel} | {Shape} | {Microseconds.Median:0.00} ({Microseconds.Low:0.00} to {Microseconds.High:0.00}) | {BytesPerSecond / 1e9:0} | {OperationsPerSecond / 1e12:0.0} | {Share:0.0%} |";

    public string AsText() =>
        $"{Kernel,-22} {Shape,-44} {Microseconds.Median,10:0.00} us {BytesPerSecond / 1e9,7:0} GB/s {OperationsPerSecond / 1e12,7:0.0} TFLOP/s {Share,7:0.0%}";
}
