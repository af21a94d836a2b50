namespace Loire.Kernels;

/// <summary>What <see cref="Linear"/> means, in double precision.</summary>
public static class LinearReference
{
    /// <param name="x"><c>[rows, depth]</c></param>
    /// <param name="weights"><c>[columns, depth]</c></param>
    /// <param name="depth">Of the sums.</param>
    /// <param name="activation">Of each sum.</param>
    /// <returns><c>[rows, columns]</c></returns>
    public static float[] Apply(float[] x, float[] weights, int depth, Activation activation = Activation.None)
    {
        var rows = x.Length / depth;
        var columns = weights.Length / depth;
        var y = new float[rows * columns];
        Parallel.For(0, columns, column =>
        {
            for (var row = 0; row < rows; row++)
            {
                var sum = Dot(x.AsSpan(row * depth, depth), weights.AsSpan(column * depth, depth));
                y[(row * columns) + column] = (float)Activate(sum, activation);
            }
        });
        return y;
    }

    internal static double Dot(ReadOnlySpan<float> a, ReadOnlySpan<float> b)
    {
        var sum = 0.0;
        for (var i = 0; i < a.Length; i++)
        {
            sum += (double)a[i] * b[i];
        }

        return sum;
    }

    internal static double Activate(double value, Activation activation) => activation switch
    {
        Activation.Silu => value / (1 + Math.Exp(-value)),
        Activation.Sigmoid => 1 / (1 + Math.Exp(-value)),
        _ => value,
    };
}
