using System.Runtime.InteropServices;
using Loire.Cuda;

namespace Loire.Kernels;

/// <summary>Turns queries and keys by their positions, pairs <c>(i, i + R/2)</c> of the first R channels, and writes keys and values into their pages.</summary>
/// <remarks>
/// <para>Input rows: T or fp32, queries of all heads, then keys of all key-value heads, then values. Queries come out turned, in place or elsewhere.</para>
/// <para>The angle <c>position · θ^(−2i/R)</c> is formed in fp32, as the models' own code does, its sine and cosine to fp32 at any size. A row's bits do not depend on its batch.</para>
/// <para>Cost: every element once in and once out; bound by memory.</para>
/// <para>Source: Su et al. 2021, arXiv:2104.09864, in the half-split form. Meaning: <see cref="RopeReference"/>.</para>
/// </remarks>
/// <param name="module">Compiled from <c>RopeAppend.cu</c>.</param>
public sealed class RopeAppend(CudaModule module)
{
    private const int Threads = 256;
    private const int FewRows = 64; // too few to fill a GPU by themselves: a row is cut into parts
    private const int PartsOfFewRows = 4;

    private readonly CudaFunction<Parameters> _function = module.Function<Parameters>("rope_append");

    /// <param name="stream">To run on.</param>
    /// <param name="step">Positions and page tables.</param>
    /// <param name="qkv">T <c>[rows, (heads + 2 · layer.Heads) · headDim]</c>, or part of wider rows.</param>
    /// <param name="queries">Where the turned queries go; may be <paramref name="qkv"/> itself.</param>
    /// <param name="heads">Of queries.</param>
    /// <param name="layer">Where keys and values go.</param>
    /// <param name="inverseFrequencies"><c>[R / 2]</c>, <c>θ^(−2i/R)</c>; R is at most headDim.</param>
    /// <param name="isQkvFloat">The input is fp32, whatever T is, which saves a rounding; queries then go elsewhere.</param>
    public void Enqueue(
        CudaStream stream, in StepInputs step, ElementRows qkv, ElementRows queries, int heads, in PagedLayer layer, DeviceVector<float> inverseFrequencies, bool isQkvFloat = false)
    {
        var rotary = checked((int)inverseFrequencies.Length * 2);
        if (rotary > layer.HeadDim || qkv.Stride < ((long)heads + (2 * layer.Heads)) * layer.HeadDim || queries.Stride < (long)heads * layer.HeadDim)
        {
            throw new ArgumentException($"Rotation of {rotary} channels of {heads} + 2 x {layer.Heads} heads of {layer.HeadDim}: rows of {qkv.Stride} elements, queries {queries.Stride}.");
        }

        if (step.Rows == 0)
        {
            return;
        }

        _function.Launch(stream, new LaunchGrid(step.Rows, step.Rows <= FewRows ? PartsOfFewRows : 1, 1, Threads, rotary * sizeof(float), Launches.AreProgrammatic), new Parameters(
            qkv.Address, queries.Address, layer.Keys, layer.Values, inverseFrequencies.Address,
            step.Positions.Address, step.SequenceOfRow.Address, step.PageTable.Address,
            qkv.Stride, queries.Stride, step.PageTable.Columns, heads, layer.Heads, layer.HeadDim, rotary, isQkvFloat ? 1 : 0));
    }

    /// <summary>Field for field the <c>RopeAppendParameters</c> of RopeAppend.cu.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public readonly record struct Parameters(
        ulong Qkv, ulong Queries, ulong Keys, ulong Values, ulong InverseFrequencies, ulong Positions, ulong SequenceOfRow, ulong PageTable,
        long QkvStride, long QueryStride, long PageStride, int Heads, int KeyValueHeads, int HeadDim, int RotaryDim, int IsQkvFloat);
}

/// <summary>The rotation of <see cref="RopeAppend"/>, in double precision from the fp32 angle on.</summary>
public static class RopeReference
{
    /// <param name="head">Channels of one head; changed in place.</param>
    /// <param name="inverseFrequencies"><c>[R / 2]</c></param>
    /// <param name="position">From 0.</param>
    public static void Turn(Span<double> head, ReadOnlySpan<float> inverseFrequencies, int position)
    {
        var half = inverseFrequencies.Length;
        for (var i = 0; i < half; i++)
        {
            var (sine, cosine) = Math.SinCos(position * inverseFrequencies[i]);
            var (a, b) = (head[i], head[i + half]);
            head[i] = (a * cosine) - (b * sine);
            head[i + half] = (b * cosine) + (a * sine);
        }
    }

    /// <summary><c>θ^(−2i/R)</c>, rounded once.</summary>
    public static float[] InverseFrequencies(int rotaryDim, double theta)
    {
        var frequencies = new float[rotaryDim / 2];
        for (var i = 0; i < frequencies.Length; i++)
        {
            frequencies[i] = (float)Math.Pow(theta, -2.0 * i / rotaryDim);
        }

        return frequencies;
    }
}
