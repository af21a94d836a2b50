using Loire.Cuda;
using Loire.Kernels;

namespace Loire.Gpu.Tests.Benchmarks;

/// <summary>Lightning attention of one token a sequence, at the width of MiniMax-Text-01: the state in and out.</summary>
public sealed class LightningDecodeBenchmark : KernelBenchmark
{
    public override string Name => "lightning-decode";

    public override IEnumerable<BenchmarkCase> Cases(Gpu gpu)
    {
        foreach (var rows in (int[])[1, 4, 16, 64, 256])
        {
            yield return LightningCase.Make(gpu, $"{rows} rows of 64 heads of 128", [.. Enumerable.Repeat((100, 1), rows)], copies: rows >= 16 ? 1 : 64 / rows);
        }
    }
}

/// <summary>Lightning attention of prompts, at the width of MiniMax-Text-01.</summary>
public sealed class LightningPrefillBenchmark : KernelBenchmark
{
    public override string Name => "lightning-prefill";

    public override IEnumerable<BenchmarkCase> Cases(Gpu gpu)
    {
        foreach (var rows in (int[])[2048, 8192, 32_768])
        {
            yield return LightningCase.Make(gpu, $"{rows} rows of one prompt", [(0, rows)], copies: 1);
        }

        yield return LightningCase.Make(gpu, "8192 rows of 8 prompts", [.. Enumerable.Repeat((0, 1024), 8)], copies: 1);
        yield return LightningCase.Make(gpu, "8192 rows from position 253952", [(253_952, 8192)], copies: 1);
    }
}

internal static class LightningCase
{
    private const int Heads = 64;
    private const int HeadDim = 128;
    private const int Width = Heads * HeadDim;

    /// <param name="gpu">To run on.</param>
    /// <param name="shape">In words.</param>
    /// <param name="sequences">Start and rows of each.</param>
    /// <param name="copies">States that are used in turn, so that a small one is not in the cache.</param>
    public static BenchmarkCase Make(Gpu gpu, string shape, (int Start, int Rows)[] sequences, int copies)
    {
        var step = new PackedStep(gpu, sequences);
        var length = (long)step.SlotCount * Width * HeadDim;
        var state = gpu.Device.Allocate(copies * length * sizeof(float), "the states of a benchmark");
        gpu.Stream.Fill(state.AsVector<byte>(), 0);
        var qkv = RandomWeights.Make(gpu, 3L * step.Rows * Width);
        var slopes = gpu.Upload(Enumerable.Range(0, Heads).Select(head => (float)Math.Pow(2, -8.0 * (head + 1) / Heads)).ToArray());
        var decays = gpu.Upload(Enumerable.Range(0, Heads).Select(head => (float)Math.Exp(-Math.Pow(2, -8.0 * (head + 1) / Heads))).ToArray());
        var output = gpu.Poisoned<float>(step.Rows, Width);
        var lightning = new Loire.Kernels.Lightning(name => gpu.Module(name, ElementType.BFloat16), ElementType.BFloat16, HeadDim);
        var all = state.AsVector<float>();
        return new BenchmarkCase(
            shape,
            (stream, i) => lightning.Enqueue(stream, step.Inputs, new LightningOperands(
                Heads, HeadDim, new ElementRows(qkv.Address, 3 * Width), all.Slice(i % copies * length, length), slopes.Vector, decays.Vector, output.Matrix)),
            step, state, qkv, slopes, decays, output)
        {
            Bytes = (2L * sequences.Length * Width * HeadDim * sizeof(float)) + ((long)step.Rows * Width * ((3 * sizeof(ushort)) + sizeof(float))),
            Operations = step.Inputs.IsDecode ? 0 : (double)step.Rows * Width * ((4.0 * HeadDim) + (2 * 64)),
            Repetitions = step.Inputs.IsDecode ? 16 : 4,
        };
    }
}

/// <summary>Norm and gate after lightning attention, at the width of MiniMax-Text-01.</summary>
public sealed class GatedNormBenchmark : KernelBenchmark
{
    private const int Width = 8192;

    public override string Name => "gated-norm";

    public override IEnumerable<BenchmarkCase> Cases(Gpu gpu)
    {
        foreach (var rows in (int[])[1, 64, 256, 8192])
        {
            var input = gpu.Upload(Numbers.Normal(1, (long)rows * Width));
            var gate = RandomWeights.Make(gpu, (long)rows * Width);
            var weight = RandomWeights.Make(gpu, Width);
            var output = gpu.Poisoned<BFloat16>(rows, Width);
            var kernel = new GatedNorm(gpu.Module("GatedNorm", ElementType.BFloat16), ElementType.BFloat16);
            yield return new BenchmarkCase(
                $"{rows} x {Width}",
                (stream, _) => kernel.Enqueue(stream, new DeviceMatrix<float>(input.Address, rows, Width), new ElementRows(gate.Address, Width), isGateFloat: false, weight.Address, output.Address, 1e-6f),
                input, gate, weight, output)
            {
                Bytes = (long)rows * Width * (4 + 2 + 2),
            };
        }
    }
}

/// <summary>Rotation of queries and keys, and the way of keys and values to their pages, at the width of MiniMax-Text-01.</summary>
public sealed class RopeAppendBenchmark : KernelBenchmark
{
    public override string Name => "rope-append";

    public override IEnumerable<BenchmarkCase> Cases(Gpu gpu)
    {
        foreach (var (shape, sequences) in new (string, (int, int)[])[] { ("64 rows", [.. Enumerable.Repeat((4000, 1), 64)]), ("256 rows", [.. Enumerable.Repeat((4000, 1), 256)]), ("8192 rows of a prompt", [(0, 8192)]) })
        {
            var layer = new PagedCase(gpu, sequences);
            var frequencies = gpu.Upload(RopeReference.InverseFrequencies(64, 1e7));
            var rope = new RopeAppend(gpu.Module("RopeAppend", ElementType.BFloat16));
            const int Stride = PagedCase.Width + (2 * PagedCase.KeyWidth);
            var qkv = RandomWeights.Make(gpu, (long)layer.Step.Rows * Stride);
            yield return new BenchmarkCase(
                shape,
                (stream, _) => rope.Enqueue(stream, layer.Step.Inputs, new ElementRows(qkv.Address, Stride), new ElementRows(qkv.Address, Stride), PagedCase.Heads, layer.Layer, frequencies.Vector),
                layer, frequencies, qkv)
            {
                Bytes = 2L * sizeof(ushort) * layer.Step.Rows * Stride,
            };
        }
    }
}

/// <summary>Softmax attention of one token a sequence, 64 heads over 8 of 128 channels.</summary>
public sealed class AttentionDecodeBenchmark : KernelBenchmark
{
    public override string Name => "attention-decode";

    public override IEnumerable<BenchmarkCase> Cases(Gpu gpu)
    {
        foreach (var (rows, tokens) in ((int, int)[])[(1, 4096), (8, 4096), (64, 4096), (256, 4096), (256, 500), (1, 131_072), (1, 1_000_000)])
        {
            var layer = new PagedCase(gpu, [.. Enumerable.Repeat((tokens - 1, 1), rows)]);
            yield return layer.AttentionCase($"{rows} x {tokens} tokens", bytes: 2L * sizeof(ushort) * rows * tokens * PagedCase.KeyWidth, operations: 0);
        }
    }
}

/// <summary>Softmax attention of a prompt over itself, 64 heads over 8 of 128 channels.</summary>
public sealed class AttentionPrefillBenchmark : KernelBenchmark
{
    public override string Name => "attention-prefill";

    public override IEnumerable<BenchmarkCase> Cases(Gpu gpu)
    {
        foreach (var (start, rows) in ((int, int)[])[(0, 2048), (0, 8192), (0, 32_768), (57_344, 8192)])
        {
            foreach (var path in gpu.Device.ComputeMajor == 9 ? Enum.GetValues<PrefillPath>() : [PrefillPath.Warps])
            {
                var layer = new PagedCase(gpu, [(start, rows)]);
                var seen = (double)rows * (start + ((rows + 1) / 2.0));
                var shape = $"{rows} rows from position {start}, {path.ToString().ToLowerInvariant()}";
                yield return layer.AttentionCase(shape, bytes: 4L * sizeof(ushort) * rows * PagedCase.Width, operations: 4 * seen * PagedCase.Width, path);
            }
        }
    }
}

/// <summary>A softmax layer of MiniMax-Text-01 with pages for some sequences.</summary>
internal sealed class PagedCase : IDisposable
{
    public const int Heads = 64;
    public const int KeyHeads = 8;
    public const int HeadDim = 128;
    public const int Width = Heads * HeadDim;
    public const int KeyWidth = KeyHeads * HeadDim;

    private readonly Gpu _gpu;
    private readonly DeviceMemory _keys;
    private readonly DeviceMemory _values;

    public PagedCase(Gpu gpu, (int Start, int Rows)[] sequences)
    {
        _gpu = gpu;
        Step = new PackedStep(gpu, sequences);
        var length = (long)Step.PageCount * KeyWidth * PagedLayer.PageTokens;
        _keys = RandomWeights.Make(gpu, length);
        _values = RandomWeights.Make(gpu, length);
        Layer = new PagedLayer(_keys.Address, _values.Address, KeyHeads, HeadDim);
    }

    public PackedStep Step { get; }

    public PagedLayer Layer { get; }

    public BenchmarkCase AttentionCase(string shape, long bytes, double operations, PrefillPath? path = null)
    {
        var queries = RandomWeights.Make(_gpu, (long)Step.Rows * Width);
        var output = _gpu.Poisoned<BFloat16>(Step.Rows, Width);
        var attention = new Attention(name => _gpu.Module(name, ElementType.BFloat16), ElementType.BFloat16, new AttentionShape(Heads, KeyHeads, HeadDim, (float)(1 / Math.Sqrt(HeadDim))), path);
        var scratch = _gpu.Poisoned<float>(1, attention.ScratchLength(Step.Sequences.Length));
        return new BenchmarkCase(
            shape,
            (stream, _) => attention.Enqueue(stream, Step.Inputs, new ElementRows(queries.Address, Width), Layer, output.Address, scratch.Vector),
            this, queries, output, scratch)
        {
            Bytes = bytes,
            Operations = operations,
            Repetitions = operations > 0 ? 4 : 16,
        };
    }

    public void Dispose()
    {
        Step.Dispose();
        _keys.Dispose();
        _values.Dispose();
    }
}
