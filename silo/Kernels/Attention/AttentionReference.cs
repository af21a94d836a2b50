namespace Loire.Kernels;

/// <summary>Attention of one query over the keys and values that it sees, in double precision: what its kernels mean.</summary>
public static class AttentionReference
{
    /// <param name="query"><c>[headDim]</c></param>
    /// <param name="keys"><c>[tokens, headDim]</c></param>
    /// <param name="values">The same.</param>
    /// <param name="scale">Of the scores.</param>
    /// <returns><c>[headDim]</c></returns>
    public static double[] Apply(ReadOnlySpan<float> query, ReadOnlySpan<float> keys, ReadOnlySpan<float> values, double scale)
    {
        var tokens = keys.Length / query.Length;
        var weights = new double[tokens];
        for (var token = 0; token < tokens; token++)
        {
            for (var c = 0; c < query.Length; c++)
            {
                weights[token] += (double)query[c] * keys[(token * query.Length) + c] * scale;
            }
        }

        var most = weights.Max();
        var sum = 0.0;
        for (var token = 0; token < tokens; token++)
        {
            weights[token] = Math.Exp(weights[token] - most);
            sum += weights[token];
        }

        var output = new double[query.Length];
        for (var token = 0; token < tokens; token++)
        {
            for (var c = 0; c < output.Length; c++)
            {
                output[c] += weights[token] / sum * values[(token * query.Length) + c];
            }
        }

        return output;
    }
}
