using Loire.Cuda;

namespace Loire.Gpu.Tests;

/// <summary>Compares what a kernel wrote with its meaning, element by element; NaN is never right.</summary>
/// <remarks>
/// An element may differ by <c>tolerance · (|expected| + rms(expected))</c>: rounding of a sum goes with the size of its terms,
/// not with a result that happens to be near zero.
/// </remarks>
public static class KernelAssert
{
    /// <summary>Of a result stored as bf16: half a unit in the last of 8 bits, and as much again for inputs of the last operation rounded before.</summary>
    public const double BFloat16Rounding = 1.0 / 256;

    /// <summary>Of an fp32 sum of a few thousand terms in another order.</summary>
    public const double FloatRounding = 2e-5;

    public static void Close(float[] expected, float[] actual, double tolerance)
    {
        Assert.Equal(expected.Length, actual.Length);
        var scale = Math.Sqrt(expected.Sum(value => (double)value * value) / Math.Max(1, expected.Length));
        var worst = -1;
        var worstError = 0.0;
        for (var i = 0; i < expected.Length; i++)
        {
            var error = Math.Abs((double)actual[i] - expected[i]) / (Math.Abs(expected[i]) + scale + double.Epsilon);
            if (double.IsNaN(error) && !float.IsNaN(actual[i]) && actual[i] == expected[i])
            {
                continue; // the same infinity
            }

            if (!(error <= worstError))
            {
                worst = i;
                worstError = error;
                if (double.IsNaN(error))
                {
                    break;
                }
            }
        }

        Assert.True(
            worstError <= tolerance,
            worst < 0 ? "" : $"Element {worst} of {expected.Length} is {actual[worst]:R}, expected {expected[worst]:R}: an error of {worstError:0.0e+00}, {tolerance:0.0e+00} is allowed (rms {scale:0.0e+00}).{Around(expected, actual, worst)}");
    }

    public static void Close(float[] expected, BFloat16[] actual, double tolerance = BFloat16Rounding) =>
        Close(expected, Numbers.AsFloat(actual), tolerance);

    private static string Around(float[] expected, float[] actual, int at)
    {
        var first = Math.Max(0, at - 2);
        var last = Math.Min(expected.Length - 1, at + 5);
        var wrong = Enumerable.Range(0, expected.Length).Count(i => float.IsNaN(actual[i]));
        var near = string.Join("; ", Enumerable.Range(first, last - first + 1).Select(i => $"[{i}] {actual[i]:0.0000e+00} for {expected[i]:0.0000e+00}"));
        return $" {wrong} are NaN. Near it: {near}";
    }
}
