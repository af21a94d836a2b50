using System.Runtime.InteropServices;
using Loire.Cuda;

namespace Loire.Kernels;

/// <summary>Lightning attention one token at a time: <c>S ← e^(−s_h) S + k ⊗ v; o = qᵀS</c> for each head, the current token undecayed.</summary>
/// <remarks>
/// <para>q, k, v: T or fp32, after their activation, the columns from <c>3 d h</c> on being q | k | v of head h. State: fp32 <c>[slots, heads, d, d]</c> in [k, v] order,
/// read and written in place. o: fp32 <c>[rows, heads · d]</c>. Sequences packed as <see cref="StepInputs"/> has them.</para>
/// <para>Sums are fp32 in a fixed order that goes by the shape and, for d = 128, by whether <c>rows · heads</c> fills the GPU: only there do a row's bits depend on its batch.</para>
/// <para>Launched programmatically, single rows read their state before the predecessor has ended: it must not be the kernel that writes that state.</para>
/// <para>Cost of a row: the state once in and once out, <c>8 · heads · d²</c> bytes; bound by memory.</para>
/// <para>Source: Qin et al. 2024, arXiv:2401.04658; decays as in the models' own code.</para>
/// <para>Meaning: <see cref="LightningReference"/>.</para>
/// </remarks>
public sealed class LightningState
{
    private const int TileColumns = 32;
    private const int TileThreads = 128;
    private const int TileWarps = 4;

    private readonly CudaFunction<Parameters> _rows;
    private readonly CudaFunction<Parameters> _decode128;
    private readonly CudaFunction<Parameters> _decode128Halves;
    private readonly CudaFunction<Parameters> _decode64;
    private readonly int _multiprocessors;

    /// <param name="module">Compiled from <c>LightningState.cu</c>.</param>
    /// <param name="mostHeadDim">Largest d that will be asked for.</param>
    public LightningState(CudaModule module, int mostHeadDim)
    {
        _rows = module.Function<Parameters>("lightning_rows", SharedBytes(mostHeadDim));
        _decode128 = module.Function<Parameters>("lightning_decode_128");
        _decode128Halves = module.Function<Parameters>("lightning_decode_128_halves");
        _decode64 = module.Function<Parameters>("lightning_decode_64");
        _multiprocessors = module.Device.Multiprocessors;
    }

    /// <summary>Which kernel does a sequence's single row.</summary>
    internal enum Path
    {
        AnyShape,
        Width64,
        Width128,
        Width128InHalves,
    }

    /// <summary>Computes the sequences with one row by the kernel for those, and the others token after token.</summary>
    /// <param name="stream">To run on.</param>
    /// <param name="step">Which rows are whose.</param>
    /// <param name="operands">Shapes and addresses.</param>
    /// <param name="singlesOnly">Leaves the sequences with more than one row alone.</param>
    public void Enqueue(CudaStream stream, in StepInputs step, in LightningOperands operands, bool singlesOnly = false)
    {
        operands.Check(step.Rows);
        if (step.Sequences == 0)
        {
            return;
        }

        var path = Choose(operands.HeadDim, step.Sequences * operands.Heads, _multiprocessors);
        if (path is not Path.AnyShape)
        {
            LaunchSingles(stream, step, operands, path);
        }

        if (path is Path.AnyShape || !(step.IsDecode || singlesOnly))
        {
            var fewest = path is Path.AnyShape ? 1 : 2;
            var most = singlesOnly ? 1 : int.MaxValue;
            var grid = new LaunchGrid((operands.HeadDim + TileColumns - 1) / TileColumns, operands.Heads, step.Sequences, TileThreads, SharedBytes(operands.HeadDim), Launches.AreProgrammatic);
            _rows.Launch(stream, grid, ParametersOf(step, operands, fewest, most));
        }
    }

    /// <summary>Halves of a head fill the GPU where whole heads would leave multiprocessors idle.</summary>
    internal static Path Choose(int headDim, int pairs, int multiprocessors) => headDim switch
    {
        64 => Path.Width64,
        128 => pairs < 2 * multiprocessors ? Path.Width128InHalves : Path.Width128,
        _ => Path.AnyShape,
    };

    private void LaunchSingles(CudaStream stream, in StepInputs step, in LightningOperands operands, Path path)
    {
        var (function, parts, threads) = path switch
        {
            Path.Width64 => (_decode64, 1, 128),
            Path.Width128 => (_decode128, 1, 256),
            _ => (_decode128Halves, 2, 256),
        };
        function.Launch(stream, new LaunchGrid(operands.Heads * parts, step.Sequences, 1, threads, Programmatic: Launches.AreProgrammatic), ParametersOf(step, operands, 1, 1));
    }

    private static int SharedBytes(int headDim) => ((headDim * TileColumns) + (2 * headDim) + (TileWarps * TileColumns)) * sizeof(float);

    private static Parameters ParametersOf(in StepInputs step, in LightningOperands operands, int fewest, int most) => new(
        operands.Qkv.Address, operands.State.Address, operands.Output.Address, operands.Decays.Address,
        step.FirstRow.Address, step.RowCount.Address, step.Slot.Address,
        operands.Qkv.Stride, operands.Heads, operands.HeadDim, fewest, most, operands.IsQkvFloat ? 1 : 0);

    /// <summary>Field for field the <c>LightningStateParameters</c> of LightningState.cu.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public readonly record struct Parameters(
        ulong Qkv, ulong State, ulong Output, ulong Decays, ulong FirstRow, ulong RowCount, ulong Slot,
        long QkvStride, int Heads, int HeadDim, int FewestRows, int MostRows, int IsQkvFloat);
}
