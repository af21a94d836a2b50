namespace Loire.Kernels;

/// <summary>What <see cref="GreedySampling"/> finds in one row of one part of a vocabulary.</summary>
/// <param name="Token">In the whole vocabulary.</param>
/// <param name="LogProb">Among the part's tokens.</param>
/// <param name="Max">The part's third output.</param>
public readonly record struct GreedyPart(int Token, float LogProb, float Max);

/// <summary>The best token of a row whose vocabulary is cut into parts, from the best of each.</summary>
public static class GreedyParts
{
    /// <summary>The token with the greatest logit, the first part's among equals, and its log-probability in the whole vocabulary.</summary>
    /// <remarks>
    /// <para>The exponentials of a part sum up to <c>e^(max − logProb)</c>. A part that is all −∞ adds nothing to them; with a part that has a NaN or +∞ the log-probability is NaN.</para>
    /// <para>With no number above −∞ in any part: token 0 and NaN, as for a whole row. One part alone gives what it has.</para>
    /// </remarks>
    /// <param name="parts">In ascending order of their tokens, so that the lowest token wins a tie.</param>
    public static (int Token, float LogProb) Join(ReadOnlySpan<GreedyPart> parts)
    {
        GreedyPart? found = null;
        foreach (var part in parts)
        {
            found = part.Max > (found?.Max ?? float.NegativeInfinity) ? part : found;
        }

        if (found is not { } best)
        {
            return (0, float.NaN);
        }

        var sum = 0.0; // as a share of the best part's: 1 with that alone
        foreach (var part in parts)
        {
            sum += part.Max is float.NegativeInfinity ? 0 : Math.Exp((double)part.Max - best.Max + ((double)best.LogProb - part.LogProb));
        }

        return (best.Token, (float)(best.LogProb - Math.Log(sum)));
    }
}
