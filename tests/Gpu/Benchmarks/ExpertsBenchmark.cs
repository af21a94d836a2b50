using Loire.Cuda;
using Loire.Kernels;

namespace Loire.Gpu.Tests.Benchmarks;

/// <summary>The experts of one layer of MiniMax-Text-01: 32 of 9216 over 6144, two for each row.</summary>
public sealed class ExpertsBenchmark : KernelBenchmark
{
    private const int Hidden = 6144;
    private const int Width = 9216;
    private const int Count = 32;
    private const int TopK = 2;

    public override string Name => "experts";

    public override IEnumerable<BenchmarkCase> Cases(Gpu gpu)
    {
        using var gateUp = RandomWeights.Make(gpu, 2L * Count * Hidden * Width);
        using var down = RandomWeights.Make(gpu, (long)Count * Hidden * Width);
        foreach (var rows in (int[])[1, 2, 8, 64, 256, 512])
        {
            yield return Case(gpu, rows, ExpertsPath.Stream, gateUp, down);
        }

        yield return Case(gpu, 64, ExpertsPath.Stream, gateUp, down, spread: false);
        foreach (var rows in (int[])[64, 256, 512, 8192])
        {
            yield return Case(gpu, rows, ExpertsPath.Prefill, gateUp, down);
        }

        using var codes = new Float8Weights(gpu, gateUp, down);
        foreach (var rows in (int[])[1, 8, 64, 256, 512, 1024, 2048, 4096])
        {
            yield return Case(gpu, rows, ExpertsPath.Stream, codes.View, spread: true);
        }

        foreach (var rows in (int[])[512, 1024, 2048, 4096, 8192])
        {
            yield return Case(gpu, rows, ExpertsPath.Prefill, codes.View, spread: true);
        }
    }

    private static BenchmarkCase Case(Gpu gpu, int rows, ExpertsPath path, DeviceMemory gateUp, DeviceMemory down, bool spread = true) =>
        Case(gpu, rows, path, new ExpertWeights(gateUp.Address, down.Address, Hidden, Width, 0, Count), spread);

    private static BenchmarkCase Case(Gpu gpu, int rows, ExpertsPath path, ExpertWeights weights, bool spread)
    {
        var random = new Random(rows);
        int[] chosen = [.. Enumerable.Range(0, rows).SelectMany(_ => spread ? Enumerable.Range(0, Count).OrderBy(_ => random.Next()).Take(TopK) : [3, 17])];
        var used = chosen.Distinct().Count();
        var x = RandomWeights.Make(gpu, (long)rows * Hidden);
        var deviceChosen = gpu.Upload(chosen, rows, TopK);
        var offsets = gpu.Poisoned<int>(1, Count + 1);
        var order = gpu.Poisoned<int>(1, chosen.Length);
        var activated = gpu.Poisoned<BFloat16>(chosen.Length, Width);
        var y = gpu.Poisoned<float>(chosen.Length, Hidden);
        var workspace = new StreamWorkspace(gpu.Device, gpu.Stream);
        var scratch = weights.Type is WeightType.Float8 && path is ExpertsPath.Prefill
            ? new ExpertScratch(new Quantise(gpu.Module("Quantise", ElementType.BFloat16)), gpu.Device, ExpertScratch.BytesFor(Hidden, Width, Count))
            : null;
        var experts = new Experts(
            gpu.Module("Experts", ElementType.BFloat16, Experts.DefinesOf(weights.Type)), ElementType.BFloat16, workspace, gpu.Module("ExpertsPrefill", ElementType.BFloat16), weights.Type, scratch);
        var groups = new ExpertGroups(offsets.Vector, order.Vector);
        new Router(gpu.Module("Router", ElementType.BFloat16), workspace).Group(gpu.Stream, deviceChosen.Vector, groups);
        IDisposable[] owned = [x, deviceChosen, offsets, order, activated, y, workspace, .. scratch is null ? Array.Empty<IDisposable>() : [scratch]];
        var (weightBytes, kind) = weights.Type is WeightType.Float8 ? (3L, ", 8 bits") : (6L, "");
        return new BenchmarkCase(
            $"{rows} rows, {used} of {Count} experts, {path.ToString().ToLowerInvariant()}{kind}{(spread ? "" : ", all rows the same")}",
            (stream, _) => experts.Enqueue(stream, path, x.Address, weights, deviceChosen.Matrix, groups, activated.Address, y.Matrix),
            owned)
        {
            Bytes = (weightBytes * used * Hidden * Width) + (chosen.Length * ((2L * Hidden) + (4L * Width) + (4L * Hidden))),
            Operations = 6.0 * chosen.Length * Hidden * Width,
            Repetitions = rows > 1000 ? 2 : 4,
        };
    }

    /// <summary>The same weights in 8 bits.</summary>
    private sealed class Float8Weights : IDisposable
    {
        private readonly DeviceMemory _gateUp;
        private readonly DeviceMemory _down;
        private readonly DeviceMemory _gateUpScales;
        private readonly DeviceMemory _downScales;

        public Float8Weights(Gpu gpu, DeviceMemory gateUp, DeviceMemory down)
        {
            (_gateUp, _gateUpScales) = Quantised(gpu, gateUp, 2 * Count, Width, Hidden);
            (_down, _downScales) = Quantised(gpu, down, Count, Hidden, Width);
        }

        public ExpertWeights View => new(_gateUp.Address, _down.Address, Hidden, Width, 0, Count, _gateUpScales.Address, _downScales.Address);

        public void Dispose()
        {
            _gateUp.Dispose();
            _down.Dispose();
            _gateUpScales.Dispose();
            _downScales.Dispose();
        }

        private static (DeviceMemory Codes, DeviceMemory Scales) Quantised(Gpu gpu, DeviceMemory w, int matrices, int rows, int columns)
        {
            var (length, blocks) = ((long)rows * columns, BlockScales.CountOf(rows, columns));
            var codes = gpu.Device.Allocate(matrices * length, "a benchmark's weights");
            var scales = gpu.Device.Allocate(matrices * blocks * sizeof(float), "a benchmark's scales");
            var kernel = new Quantise(gpu.Module("Quantise", ElementType.BFloat16));
            for (var i = 0; i < matrices; i++)
            {
                var matrix = w.AsVector<BFloat16>().Slice(i * length, length).AsMatrix(rows, columns);
                kernel.Enqueue(gpu.Stream, matrix, codes.Address + (ulong)(i * length), scales.Address + (ulong)(i * blocks * sizeof(float)));
            }

            return (codes, scales);
        }
    }
}
