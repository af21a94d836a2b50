using Loire.Cuda;

namespace Loire.Kernels;

/// <summary>What <see cref="Quantise"/> means, bit for bit.</summary>
public static class QuantiseReference
{
    /// <param name="w"><c>[rows, columns]</c></param>
    /// <param name="rows">Of the matrix.</param>
    /// <param name="columns">Of the matrix.</param>
    public static (Float8[] Codes, float[] Scales) Apply(ReadOnlySpan<float> w, int rows, int columns)
    {
        var scales = new float[BlockScales.CountOf(rows, columns)];
        for (var row = 0; row < rows; row++)
        {
            for (var column = 0; column < columns; column++)
            {
                ref var most = ref scales[BlockOf(row, column, columns)];
                var size = MathF.Abs(w[(row * columns) + column]);
                most = size > most ? size : most; // false for NaN
            }
        }

        for (var i = 0; i < scales.Length; i++)
        {
            scales[i] = scales[i] > 0 ? scales[i] / Float8.Most : 1;
        }

        var codes = new Float8[rows * columns];
        for (var i = 0; i < codes.Length; i++)
        {
            codes[i] = (Float8)(w[i] / scales[BlockOf(i / columns, i % columns, columns)]);
        }

        return (codes, scales);
    }

    /// <summary>The numbers that codes and scales stand for.</summary>
    public static float[] Back(ReadOnlySpan<Float8> codes, ReadOnlySpan<float> scales, int rows, int columns)
    {
        var w = new float[rows * columns];
        for (var i = 0; i < w.Length; i++)
        {
            w[i] = codes[i] * scales[BlockOf(i / columns, i % columns, columns)];
        }

        return w;
    }

    private static int BlockOf(int row, int column, int columns) =>
        (row / BlockScales.Block * BlockScales.BlocksOf(columns)) + (column / BlockScales.Block);
}
