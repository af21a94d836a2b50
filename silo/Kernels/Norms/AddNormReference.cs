namespace Loire.Kernels;

/// <summary>What <see cref="AddNorm"/> means, in double precision.</summary>
public static class AddNormReference
{
    /// <summary><c>α · skip + β · Σ_c u_c · f_c</c></summary>
    /// <param name="skip"><c>[rows, hidden]</c></param>
    /// <param name="alpha">Of the skip.</param>
    /// <param name="terms"><c>[rows, choices, hidden]</c></param>
    /// <param name="weights"><c>[rows, choices]</c></param>
    /// <param name="beta">Of the sum.</param>
    /// <param name="hidden">Of a row.</param>
    /// <param name="scales"><c>[rows]</c>: what the sum of a row is multiplied by before β, as <see cref="Scales"/> gives; null: 1.</param>
    public static float[] Residual(float[] skip, double alpha, float[] terms, float[] weights, double beta, int hidden, double[]? scales = null)
    {
        var rows = skip.Length / hidden;
        var choices = weights.Length / Math.Max(1, rows);
        var stream = new float[skip.Length];
        for (var row = 0; row < rows; row++)
        {
            for (var i = 0; i < hidden; i++)
            {
                var sum = 0.0;
                for (var choice = 0; choice < choices; choice++)
                {
                    var at = (row * choices) + choice;
                    sum += (double)weights[at] * terms[(at * hidden) + i];
                }

                stream[(row * hidden) + i] = (float)((alpha * skip[(row * hidden) + i]) + (beta * (scales?[row] ?? 1) * sum));
            }
        }

        return stream;
    }

    /// <summary><c>1 / √(Σ_c squares_c / width + ε)</c> of each row.</summary>
    /// <param name="squares"><c>[rows, choices]</c></param>
    /// <param name="choices">Of a row.</param>
    /// <param name="width">Numbers that the squares of a row are of.</param>
    /// <param name="epsilon">Inside the root.</param>
    public static double[] Scales(float[] squares, int choices, int width, double epsilon) =>
        [.. squares.Chunk(choices).Select(row => 1 / Math.Sqrt((row.Sum(value => (double)value) / width) + epsilon))];

    /// <summary><c>w · h / √(mean(h²) + ε)</c> of each row.</summary>
    public static float[] Norm(float[] stream, float[] norm, double epsilon)
    {
        var normed = new float[stream.Length];
        for (var first = 0; first < stream.Length; first += norm.Length)
        {
            var squares = 0.0;
            for (var i = 0; i < norm.Length; i++)
            {
                squares += (double)stream[first + i] * stream[first + i];
            }

            var scale = 1 / Math.Sqrt((squares / norm.Length) + epsilon);
            for (var i = 0; i < norm.Length; i++)
            {
                normed[first + i] = (float)(stream[first + i] * scale * norm[i]);
            }
        }

        return normed;
    }
}
