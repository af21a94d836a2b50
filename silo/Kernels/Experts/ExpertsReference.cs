namespace Loire.Kernels;

/// <summary>What <see cref="Experts"/> means, in double precision.</summary>
public static class ExpertsReference
{
    /// <param name="x"><c>[rows, hidden]</c></param>
    /// <param name="gateUp"><c>[experts, 2, width, hidden]</c></param>
    /// <param name="down"><c>[experts, hidden, width]</c></param>
    /// <param name="chosen"><c>[rows, k]</c></param>
    /// <param name="topK">k.</param>
    /// <param name="hidden">Of a row.</param>
    /// <param name="width">Of an expert.</param>
    /// <param name="round">To the type of the product inside.</param>
    /// <returns><c>[rows · k, hidden]</c></returns>
    public static float[] Apply(float[] x, float[] gateUp, float[] down, int[] chosen, int topK, int hidden, int width, Func<float, float> round)
    {
        var y = new float[chosen.Length * hidden];
        Parallel.For(0, chosen.Length, entry =>
        {
            var row = x.AsSpan(entry / topK * hidden, hidden);
            var expert = chosen[entry];
            var inside = new float[width];
            for (var w = 0; w < width; w++)
            {
                var gate = LinearReference.Dot(row, gateUp.AsSpan(((((expert * 2) + 0) * width) + w) * hidden, hidden));
                var up = LinearReference.Dot(row, gateUp.AsSpan(((((expert * 2) + 1) * width) + w) * hidden, hidden));
                inside[w] = round((float)(LinearReference.Activate(gate, Activation.Silu) * up));
            }

            for (var h = 0; h < hidden; h++)
            {
                y[(entry * hidden) + h] = (float)LinearReference.Dot(inside, down.AsSpan(((expert * hidden) + h) * width, width));
            }
        });
        return y;
    }
}
