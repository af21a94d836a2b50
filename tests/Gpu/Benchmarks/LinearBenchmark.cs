using Loire.Cuda;
using Loire.Kernels;

namespace Loire.Gpu.Tests.Benchmarks;

/// <summary>The projections of MiniMax-Text-01 and its logits, by streaming and by the library.</summary>
public sealed class LinearBenchmark : KernelBenchmark
{
    private static readonly (string What, int Columns, int Depth)[] s_matrices =
    [
        ("qkv", 24576, 6144), ("out", 6144, 8192), ("logits", 200_064, 6144), ("gate", 8192, 6144), ("softmax qkv", 10240, 6144), ("demo", 768, 256),
    ];

    public override string Name => "linear";

    public override IEnumerable<BenchmarkCase> Cases(Gpu gpu)
    {
        foreach (var matrix in s_matrices)
        {
            foreach (var rows in (int[])[1, 8, 16, 64])
            {
                yield return Case(gpu, matrix, rows, LinearPath.Stream);
            }

            foreach (var rows in (int[])[1, 8, 16, 64, 256])
            {
                yield return Case(gpu, matrix, rows, LinearPath.Library);
            }

            if (matrix.Columns < 50_000)
            {
                yield return Case(gpu, matrix, 8192, LinearPath.Library);
            }
        }
    }

    private static BenchmarkCase Case(Gpu gpu, (string What, int Columns, int Depth) matrix, int rows, LinearPath path)
    {
        const long CacheBytes = 256L << 20;
        var (what, columns, depth) = matrix;
        var bytes = 2L * columns * depth;
        var copies = (int)Math.Clamp(CacheBytes / bytes, 1, 16);
        var weights = RandomWeights.Make(gpu, (long)columns * depth * copies);
        var x = RandomWeights.Make(gpu, (long)rows * depth);
        var y = gpu.Poisoned<BFloat16>(rows, columns);
        var workspace = new StreamWorkspace(gpu.Device, gpu.Stream);
        var linear = new Loire.Kernels.Linear(gpu.Module("Linear", ElementType.BFloat16), ElementType.BFloat16, workspace, gpu.Products);
        return new BenchmarkCase(
            $"{what}: {rows} x {depth} -> {columns}, {path.ToString().ToLowerInvariant()}",
            (stream, i) => linear.Enqueue(stream, path, x.Address, rows, depth, new LinearOutput(weights.Address + (ulong)(i % copies * bytes), columns, y.Address, IsFloat: false)),
            weights, x, y, workspace)
        {
            Bytes = bytes + (2L * rows * (depth + columns)),
            Operations = 2.0 * rows * columns * depth,
            Repetitions = bytes > CacheBytes ? 8 : 16,
        };
    }
}
