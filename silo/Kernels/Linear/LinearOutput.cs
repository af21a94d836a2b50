using System.Runtime.InteropServices;

namespace Loire.Kernels;

/// <summary>One weight matrix of a product and where its part of the result goes.</summary>
/// <param name="Weights">Address of T <c>[columns, depth]</c>.</param>
/// <param name="Columns">Of the result.</param>
/// <param name="Y">Address of the result's first element, T or fp32.</param>
/// <param name="IsFloat">Whether the result is fp32.</param>
/// <param name="Activation">What is done to each sum.</param>
/// <param name="Stride">Elements from a row of the result to the next; 0: <paramref name="Columns"/>.</param>
public readonly record struct LinearOutput(ulong Weights, int Columns, ulong Y, bool IsFloat, Activation Activation = Activation.None, int Stride = 0)
{
    internal LinearSegment Segment => new(Weights, Y, Columns, Stride == 0 ? Columns : Stride, (int)Activation, IsFloat ? 1 : 0);
}

/// <summary>Of a sum, in fp32, before it is rounded. The numbers are the device code's.</summary>
public enum Activation
{
    None = 0,

    /// <summary><c>x · σ(x)</c></summary>
    Silu = 1,

    /// <summary><c>σ(x)</c></summary>
    Sigmoid = 2,
}

/// <summary>Field for field the <c>LinearSegment</c> of Linear.cuh.</summary>
[StructLayout(LayoutKind.Sequential)]
public readonly record struct LinearSegment(ulong Weights, ulong Y, int Columns, int Stride, int Activation, int IsFloat);
