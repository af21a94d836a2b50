using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Loire.Engine.Sampling;

/// <summary>The exponential of numbers up to 0, the same to the bit on every machine: no fused operations, no estimates.</summary>
internal static class Exponential
{
    /// <summary>Below it the result is 0 instead of a number near 2e-38.</summary>
    private const float Least = -86.6f;

    // ln 2 in two parts; the first has so few bits that its multiples are exact.
    private const float Ln2High = 355f / 512;
    private const float Ln2Low = -2.12194440e-4f;

    // Adding it rounds to an integer, which then stands in the lowest bits.
    private const float Rounder = 3 << 22;

    /// <remarks><c>e^x = 2^n · e^r</c> with |r| ≤ ½ ln 2, where seven terms of the series are exact to 5e-9. 0 gives exactly 1, −∞ gives 0.</remarks>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Of(Vector512<float> x)
    {
        var inRange = Vector512.GreaterThanOrEqual(x, Vector512.Create(Least));
        x &= inRange;
        var rounded = (x * MathF.Log2(MathF.E)) + Vector512.Create(Rounder);
        var n = rounded - Vector512.Create(Rounder);
        var r = x - (n * Ln2High) - (n * Ln2Low);
        var series = (r * (1f / 5040)) + Vector512.Create(1f / 720);
        series = (series * r) + Vector512.Create(1f / 120);
        series = (series * r) + Vector512.Create(1f / 24);
        series = (series * r) + Vector512.Create(1f / 6);
        series = (series * r) + Vector512.Create(1f / 2);
        series = (series * r) + Vector512<float>.One;
        series = (series * r) + Vector512<float>.One;
        var scaled = series.AsInt32() + (rounded.AsInt32() << 23); // n into the exponent
        return scaled.AsSingle() & inRange;
    }
}
