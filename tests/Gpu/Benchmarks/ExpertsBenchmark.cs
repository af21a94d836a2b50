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
    }

    private static BenchmarkCase Case(Gpu gpu, int rows, ExpertsPath path, DeviceMemory gateUp, DeviceMemory down, bool spread = true)
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
        var experts = new Experts(gpu.Module("Experts", ElementType.BFloat16), ElementType.BFloat16, workspace, gpu.Module("ExpertsPrefill", ElementType.BFloat16));
        var groups = new ExpertGroups(offsets.Vector, order.Vector);
        new Router(gpu.Module("Router", ElementType.BFloat16), workspace).Group(gpu.Stream, deviceChosen.Vector, groups);
        var weights = new ExpertWeights(gateUp.Address, down.Address, Hidden, Width, 0, Count);
        return new BenchmarkCase(
            $"{rows} rows, {used} of {Count} experts, {path.ToString().ToLowerInvariant()}{(spread ? "" : ", all rows the same")}",
            (stream, _) => experts.Enqueue(stream, path, x.Address, weights, deviceChosen.Matrix, groups, activated.Address, y.Matrix),
            x, deviceChosen, offsets, order, activated, y, workspace)
        {
            Bytes = (6L * used * Hidden * Width) + (chosen.Length * ((2L * Hidden) + (4L * Width) + (4L * Hidden))),
            Operations = 6.0 * chosen.Length * Hidden * Width,
            Repetitions = rows > 1000 ? 2 : 4,
        };
    }
}
