using System.Runtime.InteropServices;
using Loire.Cuda;

namespace Loire.Kernels;

/// <summary>Fills memory with seeded random numbers, even in [−bound, bound): weights of a model that nobody has trained.</summary>
/// <remarks>Number i of a sequence depends on seed and i alone. Cost: each number written once; bound by memory. Meaning: <see cref="SyntheticReference"/>.</remarks>
/// <param name="module">Compiled from <c>Synthetic.cu</c>.</param>
public sealed class Synthetic(CudaModule module)
{
    private const int Threads = 256;
    private const int BlocksEach = 16;

    private readonly CudaFunction<Parameters> _function = module.Function<Parameters>("synthetic");
    private readonly CudaFunction<RowsParameters> _rows = module.Function<RowsParameters>("synthetic_rows");

    /// <param name="stream">To run on.</param>
    /// <param name="target">Address of T, or of fp32 when <paramref name="isFloat"/>.</param>
    /// <param name="count">Of numbers.</param>
    /// <param name="sequence">Which numbers.</param>
    /// <param name="isFloat">Whatever T is.</param>
    public void Enqueue(CudaStream stream, ulong target, long count, SyntheticSequence sequence, bool isFloat)
    {
        if (count == 0)
        {
            return;
        }

        var blocks = (int)Math.Min((count + Threads - 1) / Threads, (long)module.Device.Multiprocessors * BlocksEach);
        _function.Launch(stream, new LaunchGrid(blocks, Threads), new Parameters(target, count, sequence.Seed, sequence.First, sequence.Bound, isFloat ? 1 : 0));
    }

    /// <summary>A slice of the columns of a wider matrix: the numbers that the whole would have there.</summary>
    /// <param name="stream">To run on.</param>
    /// <param name="target">Address of <c>[rows, columns]</c>, without gaps: T, or fp32 when <paramref name="isFloat"/>.</param>
    /// <param name="rows">Of both.</param>
    /// <param name="columns">Of the slice.</param>
    /// <param name="sequence">Its first is the slice's first of the first row.</param>
    /// <param name="sourceStride">From one row of the whole to the next, in numbers.</param>
    /// <param name="isFloat">Whatever T is.</param>
    public void Enqueue(CudaStream stream, ulong target, long rows, long columns, SyntheticSequence sequence, long sourceStride, bool isFloat)
    {
        if (rows == 0 || columns == 0)
        {
            return;
        }

        var blocks = (int)Math.Min(rows, (long)module.Device.Multiprocessors * BlocksEach);
        _rows.Launch(stream, new LaunchGrid(blocks, Threads), new RowsParameters(target, rows, columns, sourceStride, sequence.Seed, sequence.First, sequence.Bound, isFloat ? 1 : 0));
    }

    /// <summary>Field for field the <c>SyntheticParameters</c> of Synthetic.cu.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public readonly record struct Parameters(ulong Target, long Count, ulong Seed, long First, float Bound, int IsFloat);

    /// <summary>Field for field the <c>SyntheticRowsParameters</c> of Synthetic.cu.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public readonly record struct RowsParameters(ulong Target, long Rows, long Columns, long SourceStride, ulong Seed, long First, float Bound, int IsFloat);
}

/// <param name="Seed">Of the whole.</param>
/// <param name="First">Place of the first number.</param>
/// <param name="Bound">Numbers are in [−bound, bound).</param>
public readonly record struct SyntheticSequence(ulong Seed, long First, float Bound);

/// <summary>What <see cref="Synthetic"/> means, before it is rounded to T.</summary>
public static class SyntheticReference
{
    public static float At(SyntheticSequence sequence, long index)
    {
        var mixed = Mixed(unchecked(sequence.Seed + ((ulong)(sequence.First + index) * 0xd1342543de82ef95)));
        return (((mixed >> 8) * (1.0f / 8388608.0f)) - 1.0f) * sequence.Bound;
    }

    /// <summary>Of a slice of a wider matrix's columns.</summary>
    public static float At(SyntheticSequence sequence, long row, long column, long sourceStride) => At(sequence, (row * sourceStride) + column);

    /// <summary>Steele, Lea and Flood 2014: the finaliser of splitmix64, its upper half.</summary>
    private static uint Mixed(ulong x)
    {
        unchecked
        {
            x += 0x9e3779b97f4a7c15;
            x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
            x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
            return (uint)((x ^ (x >> 31)) >> 32);
        }
    }
}
