using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Loire.Engine.Backends.Cpu.Kernels;

/// <summary>Elementwise functions on 16 lanes, fp32 throughout.</summary>
internal static unsafe class VectorMath
{
    private const float LogTwoHigh = 0.693359375f;
    private const float LogTwoLow = -2.12194440e-4f;

    /// <summary><c>e^x</c> within 2 ulp where the result is normal; 0 below -87.3, the largest finite values above 88.</summary>
    /// <remarks>Range reduction by ln 2 in two parts and the polynomial of Cephes' expf (S. Moshier).</remarks>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Exp(Vector512<float> x)
    {
        var clamped = Vector512.MinNative(Vector512.MaxNative(x, Vector512.Create(-87.3f)), Vector512.Create(88f));
        var n = Vector512.Floor(Vector512.FusedMultiplyAdd(clamped, Vector512.Create(1.44269504f), Vector512.Create(0.5f)));
        var r = Vector512.FusedMultiplyAdd(n, Vector512.Create(-LogTwoHigh), clamped);
        r = Vector512.FusedMultiplyAdd(n, Vector512.Create(-LogTwoLow), r);
        var p = Vector512.Create(1.9875691500e-4f);
        p = Vector512.FusedMultiplyAdd(p, r, Vector512.Create(1.3981999507e-3f));
        p = Vector512.FusedMultiplyAdd(p, r, Vector512.Create(8.3334519073e-3f));
        p = Vector512.FusedMultiplyAdd(p, r, Vector512.Create(4.1665795894e-2f));
        p = Vector512.FusedMultiplyAdd(p, r, Vector512.Create(1.6666665459e-1f));
        p = Vector512.FusedMultiplyAdd(p, r, Vector512.Create(5.0000001201e-1f));
        p = Vector512.FusedMultiplyAdd(p, r * r, r + Vector512.Create(1f));
        var power = (Vector512.ConvertToInt32(n) + Vector512.Create(127)) << 23;
        var result = p * power.AsSingle();
        return Vector512.ConditionalSelect(Vector512.LessThan(x, Vector512.Create(-87.3f)), Vector512<float>.Zero, result);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Sigmoid(Vector512<float> x) => Vector512<float>.One / (Vector512<float>.One + Exp(-x));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Silu(Vector512<float> x) => x / (Vector512<float>.One + Exp(-x));

    /// <summary><c>y = w · x / √(mean(x²) + ε)</c> over one row; in place is allowed.</summary>
    /// <remarks>Length is a multiple of 16. The sum runs in 16 chains in a fixed order.</remarks>
    public static void RmsNorm(float* x, float* weight, float* y, int length, float epsilon)
    {
        var sum = Vector512<float>.Zero;
        for (var i = 0; i < length; i += TileKernel.Lanes)
        {
            var v = Vector512.Load(x + i);
            sum = Vector512.FusedMultiplyAdd(v, v, sum);
        }

        var scale = Vector512.Create(1f / MathF.Sqrt((Vector512.Sum(sum) / length) + epsilon));
        for (var i = 0; i < length; i += TileKernel.Lanes)
        {
            (Vector512.Load(x + i) * scale * Vector512.Load(weight + i)).Store(y + i);
        }
    }

    /// <summary><c>h = alpha · skip + beta · h'</c>, where h' is <paramref name="output"/>.</summary>
    public static void Residual(float* skip, float alpha, float* output, float beta, float* h, int length)
    {
        var a = Vector512.Create(alpha);
        var b = Vector512.Create(beta);
        for (var i = 0; i < length; i += TileKernel.Lanes)
        {
            Vector512.FusedMultiplyAdd(Vector512.Load(skip + i), a, Vector512.Load(output + i) * b).Store(h + i);
        }
    }
}
