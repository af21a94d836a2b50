using System.Runtime.InteropServices;
using Loire.Cuda;

namespace Loire.Kernels;

/// <summary>Weights in eight bits: <c>code = e4m3(w / s)</c> with <c>s = max|w| / 448</c> over each block of 128 x 128, 1 where all are zero; and back, <c>w = code · s</c>.</summary>
/// <remarks>
/// <para>w: bf16 <c>[rows, columns]</c>; codes: e4m3 of the same shape; scales: fp32 <c>[⌈rows / 128⌉, ⌈columns / 128⌉]</c>. All row-major, contiguous.</para>
/// <para>A NaN has no say in its block's scale and stays NaN. An element's bits depend on its block alone.</para>
/// <para>Cost: 5 bytes an element there, 3 back; bound by memory. Meaning: <see cref="QuantiseReference"/>.</para>
/// </remarks>
/// <param name="module">Compiled from <c>Quantise.cu</c> where <see cref="IsPossible"/>.</param>
public sealed class Quantise(CudaModule module)
{
    private const int Threads = 256;
    private const int BackThreads = 128;
    private const int BackColumns = 16; // of a thread at a time
    private const int BackRows = 4;
    private const int BlocksEach = 16;
    private const int MostBlocksY = 65535;

    private readonly CudaFunction<Parameters> _there = module.Function<Parameters>("quantise");
    private readonly CudaFunction<BackParameters> _back = module.Function<BackParameters>("dequantise");

    /// <summary>The first compute capability whose instructions know the format.</summary>
    public static Version LeastCompute { get; } = new(8, 9);

    public static bool IsPossible(CudaDevice device) => new Version(device.ComputeMajor, device.ComputeMinor) >= LeastCompute;

    /// <param name="stream">To run on.</param>
    /// <param name="w">Of the matrix, or of whole rows of its blocks.</param>
    /// <param name="codes">Address of e4m3 <c>[rows, columns]</c>, overwritten.</param>
    /// <param name="scales">Address of fp32, a number for each block, overwritten.</param>
    public void Enqueue(CudaStream stream, DeviceMatrix<BFloat16> w, ulong codes, ulong scales)
    {
        if (w.Length == 0)
        {
            return;
        }

        var (rows, columns) = (checked((int)w.Rows), checked((int)w.Columns));
        if (BlockScales.BlocksOf(rows) > MostBlocksY)
        {
            throw new ArgumentException($"A matrix of [{rows}, {columns}] has {BlockScales.BlocksOf(rows)} rows of blocks; {MostBlocksY} are allowed.", nameof(w));
        }

        _there.Launch(stream, new LaunchGrid(BlockScales.BlocksOf(columns), BlockScales.BlocksOf(rows), 1, Threads), new Parameters(w.Address, codes, scales, rows, columns));
    }

    /// <summary>Matrices of the same shape, one after the other, as brain floats.</summary>
    /// <param name="stream">To run on.</param>
    /// <param name="codes">Address of e4m3 <c>[matrices, rows, columns]</c>, at a multiple of 16.</param>
    /// <param name="scales">Address of the scales of each matrix, one after the other.</param>
    /// <param name="matrices">How many.</param>
    /// <param name="rows">Of each.</param>
    /// <param name="columns">Of each, a multiple of 16.</param>
    /// <param name="w">Address of bf16 <c>[matrices, rows, columns]</c>, overwritten.</param>
    public void EnqueueBack(CudaStream stream, ulong codes, ulong scales, int matrices, int rows, int columns, ulong w)
    {
        if (columns % BackColumns != 0 || codes % BackColumns != 0)
        {
            throw new ArgumentException($"{matrices} matrices of [{rows}, {columns}] at {codes:x}: columns and address have to be multiples of {BackColumns}.");
        }

        var allRows = (long)matrices * rows;
        if (allRows == 0 || columns == 0)
        {
            return;
        }

        ArgumentOutOfRangeException.ThrowIfGreaterThan(allRows, int.MaxValue - (MostBlocksY * BackRows), nameof(matrices));
        var across = (columns + (BackThreads * BackColumns) - 1) / (BackThreads * BackColumns);
        var down = (int)Math.Min((allRows + BackRows - 1) / BackRows, Math.Max(1, (long)module.Device.Multiprocessors * BlocksEach / across));
        _back.Launch(stream, new LaunchGrid(across, down, 1, BackThreads), new BackParameters(codes, scales, w, allRows, rows, columns));
    }

    /// <summary>Field for field the <c>QuantiseParameters</c> of Quantise.cu.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public readonly record struct Parameters(ulong W, ulong Codes, ulong Scales, int Rows, int Columns);

    /// <summary>Field for field the <c>DequantiseParameters</c> of Quantise.cu.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public readonly record struct BackParameters(ulong Codes, ulong Scales, ulong W, long AllRows, int Rows, int Columns);
}
