using System.Collections.Immutable;
using System.Numerics;

namespace Loire.Engine.Models;

/// <summary>How fast each head of a lightning layer forgets: <c>s = slope_h · f_l</c>, decay of a step <c>e^(−s)</c>.</summary>
/// <remarks>
/// <c>slope_h = 2^(−8(h+1)/H)</c>; where H is no power of two, the vendor's code takes the slopes of the next lower power P
/// and fills up with every second slope of 2P, transformers' keeps the formula.
/// <c>f_l = 1 − l/(L−1) + 1e-5</c> over all layers, softmax ones counted; transformers' denominator is <c>L−1+1e-5</c>.
/// Computed in double precision and rounded once.
/// </remarks>
internal static class LightningSlopes
{
    private const double Epsilon = 1e-5;

    public static ImmutableArray<float> OfLayer(int heads, int layer, int layers, bool vendor)
    {
        var factor = LayerFactor(layer, layers, vendor);
        return [.. Enumerable.Range(0, heads).Select(h => (float)((vendor ? Interpolated(h, heads) : Plain(h, heads)) * factor))];
    }

    private static double LayerFactor(int layer, int layers, bool vendor)
    {
        var denominator = vendor ? layers - 1 : layers - 1 + Epsilon;
        return layer == 0 ? 1 + Epsilon : 1 - (layer / denominator) + Epsilon; // a single layer has no denominator
    }

    private static double Plain(int head, int heads) => Math.Pow(2, -8.0 * (head + 1) / heads);

    private static double Interpolated(int head, int heads)
    {
        var power = 1 << BitOperations.Log2((uint)heads);
        return head < power ? Plain(head, power) : Plain(2 * (head - power), 2 * power);
    }
}
