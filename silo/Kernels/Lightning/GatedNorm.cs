using System.Runtime.InteropServices;
using Loire.Cuda;

namespace Loire.Kernels;

/// <summary>Norm and output gate of lightning attention: <c>y = σ(g) · w · o / √(mean(o²) + ε)</c>, the mean over all heads of a row.</summary>
/// <remarks>
/// <para>o: fp32 <c>[rows, width]</c>; g: before the sigmoid, T or fp32; w: T <c>[width]</c>; y: T <c>[rows, width]</c>, rounded once.</para>
/// <para>Where a row's heads are on several GPUs, each has but a part of the mean: with squares wanted, <c>y = σ(g) · w · o</c> and <c>squares = Σ o²</c> fp32 <c>[rows]</c> of the own width; who adds up the parts divides by the root.</para>
/// <para>A row's bits do not depend on its batch. Cost: <c>(4 + 2 + 2) · rows · width</c> bytes in bf16; bound by memory.</para>
/// <para>Source: MiniMax-Text-01's own code. Meaning: <see cref="GatedNormReference"/>.</para>
/// </remarks>
public sealed class GatedNorm
{
    private const int Threads = 256;
    private const int WideElements = 16; // of a thread
    private const int WideStep = 32 * WideElements; // whole warps
    private const int WideMost = 1024 * WideElements;

    private readonly CudaFunction<Parameters> _function;
    private readonly CudaFunction<Parameters>? _wide;
    private readonly CudaFunction<Parameters>? _wideFloat;

    /// <param name="module">Compiled from <c>GatedNorm.cu</c>.</param>
    /// <param name="type">The module's.</param>
    public GatedNorm(CudaModule module, ElementType type)
    {
        _function = module.Function<Parameters>("gated_norm");
        if (type is ElementType.BFloat16)
        {
            _wide = module.Function<Parameters>("gated_norm_wide");
            _wideFloat = module.Function<Parameters>("gated_norm_wide_float");
        }
    }

    /// <param name="stream">To run on.</param>
    /// <param name="input">o.</param>
    /// <param name="gate">g; its elements are fp32 when <paramref name="isGateFloat"/>.</param>
    /// <param name="isGateFloat">Whatever T is.</param>
    /// <param name="weight">Address of T <c>[width]</c>.</param>
    /// <param name="output">Address of T <c>[rows, width]</c>.</param>
    /// <param name="epsilon">Inside the root; not used where squares are wanted.</param>
    /// <param name="squares">Address of fp32 <c>[rows]</c>: then the norm's scale is left out of y. 0: they are not wanted.</param>
    public void Enqueue(CudaStream stream, DeviceMatrix<float> input, ElementRows gate, bool isGateFloat, ulong weight, ulong output, float epsilon, ulong squares = 0)
    {
        var width = checked((int)input.Columns);
        if (gate.Stride < width)
        {
            throw new ArgumentException($"Rows of the gate are {gate.Stride} elements apart; they have {width}.", nameof(gate));
        }

        if (input.Rows == 0)
        {
            return;
        }

        var parameters = new Parameters(input.Address, gate.Address, weight, output, squares, gate.Stride, width, isGateFloat ? 1 : 0, epsilon);
        var wide = IsWide(width, gate, isGateFloat) ? isGateFloat ? _wideFloat : _wide : null;
        var threads = wide is null ? Threads : width / WideElements;
        (wide ?? _function).Launch(stream, new LaunchGrid(checked((int)input.Rows), 1, 1, threads, Programmatic: Launches.AreProgrammatic), parameters);
    }

    internal static bool IsWide(int width, ElementRows gate, bool isGateFloat) =>
        width % WideStep == 0 && width <= WideMost && gate.Stride % 4 == 0 && gate.Address % (isGateFloat ? 16u : 8u) == 0;

    /// <summary>Field for field the <c>GatedNormParameters</c> of GatedNorm.cu.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public readonly record struct Parameters(ulong Input, ulong Gate, ulong Weight, ulong Output, ulong Squares, long GateStride, int Width, int IsGateFloat, float Epsilon);
}

/// <summary>What <see cref="GatedNorm"/> means, one row in double precision.</summary>
public static class GatedNormReference
{
    public static double[] Apply(ReadOnlySpan<float> input, ReadOnlySpan<float> gate, ReadOnlySpan<float> weight, double epsilon)
    {
        var (output, squares) = ApplyUnscaled(input, gate, weight);
        var scale = 1 / Math.Sqrt((squares / input.Length) + epsilon);
        for (var i = 0; i < output.Length; i++)
        {
            output[i] *= scale;
        }

        return output;
    }

    /// <summary>What it means with squares wanted: <c>σ(g) · w · o</c> and <c>Σ o²</c>.</summary>
    public static (double[] Output, double Squares) ApplyUnscaled(ReadOnlySpan<float> input, ReadOnlySpan<float> gate, ReadOnlySpan<float> weight)
    {
        var squares = 0.0;
        var output = new double[input.Length];
        for (var i = 0; i < output.Length; i++)
        {
            squares += (double)input[i] * input[i];
            output[i] = (double)input[i] * weight[i] / (1 + Math.Exp(-(double)gate[i]));
        }

        return (output, squares);
    }
}
