using Loire.Engine.Sampling;

namespace Loire.Engine.Tests.Sampling;

/// <summary>What sampling means, by sorting everything in double precision.</summary>
internal static class NaiveSampling
{
    /// <summary>Probability of each token after temperature, top-k, top-p and min-p; 0 for those that are filtered out.</summary>
    /// <param name="logits">With penalties and bias.</param>
    /// <param name="settings">Temperature above 0.</param>
    /// <param name="margin">How near the sum before a token came to the top-p border: below rounding, either side is right.</param>
    public static double[] Distribution(ReadOnlySpan<float> logits, SamplingSettings settings, out double margin)
    {
        var values = logits.ToArray();
        var max = (double)values.Max();
        var order = Enumerable.Range(0, values.Length).OrderByDescending(i => values[i]).ThenBy(i => i).ToArray();
        var weights = values.Select(x => Math.Exp((x - max) / settings.Temperature)).ToArray();
        if (settings.TopK > 0 && settings.TopK < values.Length)
        {
            var least = values[order[settings.TopK - 1]];
            Zero(weights, i => values[i] < least);
        }

        margin = double.PositiveInfinity;
        if (settings.TopP < 1)
        {
            var total = weights.Sum();
            var before = 0.0;
            var kept = new HashSet<int> { order[0] };
            foreach (var token in order)
            {
                margin = token == order[0] ? margin : Math.Min(margin, Math.Abs((before / total) - settings.TopP));
                if (before < settings.TopP * total)
                {
                    kept.Add(token);
                }

                before += weights[token];
            }

            Zero(weights, i => !kept.Contains(i));
        }

        Zero(weights, i => weights[i] < settings.MinP);
        var sum = weights.Sum();
        return [.. weights.Select(w => w / sum)];
    }

    /// <summary>The token at which the running sum over ids passes the draw.</summary>
    public static int Pick(double[] distribution, double uniform, out double margin)
    {
        var sum = 0.0;
        margin = double.PositiveInfinity;
        var picked = -1;
        for (var i = 0; i < distribution.Length; i++)
        {
            if (distribution[i] > 0)
            {
                sum += distribution[i];
                margin = Math.Min(margin, Math.Abs(sum - uniform));
                picked = picked < 0 && sum > uniform ? i : picked;
            }
        }

        return picked < 0 ? Array.FindLastIndex(distribution, p => p > 0) : picked;
    }

    private static void Zero(double[] weights, Func<int, bool> where)
    {
        for (var i = 0; i < weights.Length; i++)
        {
            weights[i] = where(i) ? 0 : weights[i];
        }
    }
}
