using System.Diagnostics;
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text.Json.Serialization;

namespace Loire.Cli.Bench;

/// <summary>The machine that figures were measured on, and its two limits, measured here and now.</summary>
internal sealed record Machine
{
    [JsonPropertyName("processor")]
    public required string Processor { get; init; }

    [JsonPropertyName("cores")]
    public required int Cores { get; init; }

    [JsonPropertyName("memoryGigabytes")]
    public required double MemoryGigabytes { get; init; }

    [JsonPropertyName("runtime")]
    public required string Runtime { get; init; }

    [JsonPropertyName("system")]
    public required string System { get; init; }

    [JsonPropertyName("vectorBits")]
    public required int VectorBits { get; init; }

    /// <summary>All cores together read this much from memory, in bytes a second.</summary>
    [JsonPropertyName("readBytesPerSecond")]
    public required double ReadBytesPerSecond { get; init; }

    /// <summary>All cores together compute as many fp32 operations a second, a multiply-add counting as two.</summary>
    [JsonPropertyName("flopsPerSecond")]
    public required double FlopsPerSecond { get; init; }

    /// <summary>For a folder name.</summary>
    [JsonIgnore]
    public string FolderName => string.Join('-', Processor.ToLowerInvariant().Split([' ', '(', ')', '/', '@', '.', ',', '_'], StringSplitOptions.RemoveEmptyEntries)) + $"-{Cores}-cores";

    public static Machine Measure() => new()
    {
        Processor = ProcessorName(),
        Cores = Environment.ProcessorCount,
        MemoryGigabytes = Math.Round(GC.GetGCMemoryInfo().TotalAvailableMemoryBytes / 1e9, 1),
        Runtime = RuntimeInformation.FrameworkDescription,
        System = RuntimeInformation.OSDescription,
        VectorBits = Vector<byte>.Count * 8,
        ReadBytesPerSecond = MeasureRead(),
        FlopsPerSecond = MeasureFlops(),
    };

    private static string ProcessorName()
    {
        const string cpuInfo = "/proc/cpuinfo";
        var line = File.Exists(cpuInfo) ? File.ReadLines(cpuInfo).FirstOrDefault(line => line.StartsWith("model name", StringComparison.Ordinal)) : null;
        return line?.Split(':', 2)[1].Trim() ?? RuntimeInformation.ProcessArchitecture.ToString();
    }

    private static double MeasureRead()
    {
        const int bytesPerCore = 128 << 20; // far beyond any cache
        var blocks = new float[Environment.ProcessorCount][];
        OnAllCores(core => Array.Fill(blocks[core] = new float[bytesPerCore / sizeof(float)], 1f));
        return Best(() => OnAllCores(core => GC.KeepAlive(Sum(blocks[core]))), (double)bytesPerCore * blocks.Length);
    }

    private static double MeasureFlops()
    {
        const int rounds = 20_000_000;
        double operations = 2.0 * Accumulators * Vector<float>.Count * rounds * Environment.ProcessorCount;
        return Best(() => OnAllCores(_ => GC.KeepAlive(MultiplyAdd(rounds))), operations);
    }

    private const int Accumulators = 10;

    /// <summary>The best of several runs, since a limit is what nothing disturbed.</summary>
    private static double Best(Action run, double amount)
    {
        var best = TimeSpan.MaxValue;
        for (var repeat = 0; repeat < 5; repeat++)
        {
            var start = Stopwatch.GetTimestamp();
            run();
            var elapsed = Stopwatch.GetElapsedTime(start);
            best = elapsed < best ? elapsed : best;
        }

        return amount / best.TotalSeconds;
    }

    private static void OnAllCores(Action<int> work)
    {
        var threads = Enumerable.Range(0, Environment.ProcessorCount).Select(core => new Thread(() => work(core))).ToArray();
        Array.ForEach(threads, thread => thread.Start());
        Array.ForEach(threads, thread => thread.Join());
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static float Sum(float[] values)
    {
        Vector<float> a = default, b = default, c = default, d = default;
        var width = Vector<float>.Count;
        for (var i = 0; i <= values.Length - (4 * width); i += 4 * width)
        {
            a += new Vector<float>(values, i);
            b += new Vector<float>(values, i + width);
            c += new Vector<float>(values, i + (2 * width));
            d += new Vector<float>(values, i + (3 * width));
        }

        return Vector.Sum(a + b + c + d);
    }

    /// <summary>As many independent sums as hide the latency of a multiply-add on two ports.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static float MultiplyAdd(int rounds)
    {
        Vector<float> a = default, b = default, c = default, d = default, e = default, f = default, g = default, h = default, i = default, j = default;
        var x = new Vector<float>(0.999f);
        var y = new Vector<float>(1e-3f);
        for (var round = 0; round < rounds; round++)
        {
            a = Vector.FusedMultiplyAdd(a, x, y);
            b = Vector.FusedMultiplyAdd(b, x, y);
            c = Vector.FusedMultiplyAdd(c, x, y);
            d = Vector.FusedMultiplyAdd(d, x, y);
            e = Vector.FusedMultiplyAdd(e, x, y);
            f = Vector.FusedMultiplyAdd(f, x, y);
            g = Vector.FusedMultiplyAdd(g, x, y);
            h = Vector.FusedMultiplyAdd(h, x, y);
            i = Vector.FusedMultiplyAdd(i, x, y);
            j = Vector.FusedMultiplyAdd(j, x, y);
        }

        return Vector.Sum(a + b + c + d + e + f + g + h + i + j);
    }
}
