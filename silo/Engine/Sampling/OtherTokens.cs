namespace Loire.Engine.Sampling;

/// <summary>What is certain of the tokens that are no candidates: how heavy one may be, and all of them together.</summary>
internal record struct OtherTokens
{
    /// <summary>Relative error of a weight in fp32, and of a sum of them: the argument, up to 87, is rounded twice.</summary>
    private const double WeightTolerance = 2e-5;

    /// <summary>No logit is greater, with penalties and bias. −∞: none of them can be chosen.</summary>
    public float Ceiling { get; private init; }

    /// <summary>No weight is greater.</summary>
    public double MostOfOne { get; private init; }

    /// <summary>Their weights come to no less.</summary>
    public double Least { get; private set; }

    /// <summary>Their weights come to no more.</summary>
    public double Most { get; private set; }

    /// <summary>Before a temperature is known.</summary>
    public static OtherTokens Of(in LogitCandidates candidates, TokenPenalties penalties) => new()
    {
        Ceiling = candidates.OthersCount == 0 ? float.NegativeInfinity : penalties.CeilingBeside(candidates.Tokens, candidates.Least),
    };

    /// <param name="candidates">That they are beside of.</param>
    /// <param name="penalties">Of the draw.</param>
    /// <param name="max">The greatest logit, with penalties and bias.</param>
    /// <param name="scale">The inverse of the temperature.</param>
    public readonly OtherTokens At(in LogitCandidates candidates, TokenPenalties penalties, float max, float scale)
    {
        if (Ceiling == float.NegativeInfinity)
        {
            return this;
        }

        // Weights at temperature 1 are raised to the power of the scale. A sum of powers is greatest or least where few terms are as great
        // as they may be, or where all are alike: which of the two, depends on the side of 1 that the power is on.
        var depth = (double)candidates.Least - max;
        var changed = penalties.CountBeside(candidates.Tokens);
        var (least, most) = SumAtOne(candidates, max, changed);
        var count = candidates.OthersCount;
        (least, most) = scale < 1 ? (Few(least, depth, scale), Alike(most, count, scale)) : (Alike(least, count, scale), Few(most, depth, scale));
        var one = Math.Exp(((double)Ceiling - max) * scale) * (1 + WeightTolerance);
        var raised = Ceiling > candidates.Least ? changed * one : 0;
        return this with { MostOfOne = one, Least = least * (1 - WeightTolerance), Most = (most * (1 + WeightTolerance)) + raised };
    }

    /// <summary>Filters keep some of them at most, of no more than that weight together.</summary>
    public void Doubt(double most)
    {
        Least = 0;
        Most = Math.Min(Most, most);
    }

    public void Drop() => Least = Most = 0;

    /// <summary>Bounds of the sum of <c>e^(x − max)</c> over those that no penalty changes, and of the greatest that all can have before those that a penalty raises are counted.</summary>
    private static (double Least, double Most) SumAtOne(in LogitCandidates candidates, float max, int changed)
    {
        var known = 0.0;
        foreach (var logit in candidates.Logits)
        {
            known += Math.Exp((double)logit - max);
        }

        var all = Math.Exp(candidates.LogSumExp - max);
        var one = Math.Exp((double)candidates.Least - max);
        var least = (all * (1 - LogitCandidates.SumTolerance)) - known - (changed * one);
        var most = (all * (1 + LogitCandidates.SumTolerance)) - known;
        var ceiling = candidates.OthersCount * one;
        return (least > 0 ? Math.Min(least, ceiling) : 0, most < ceiling ? Math.Max(most, 0) : ceiling); // what is no number is no bound
    }

    /// <summary>As few tokens as can have that sum, each as heavy as the least candidate.</summary>
    private static double Few(double sum, double depth, double scale) => sum == 0 ? 0 : Math.Exp(Math.Log(sum) + ((scale - 1) * depth));

    /// <summary>All tokens alike.</summary>
    private static double Alike(double sum, int count, double scale) => sum == 0 ? 0 : count * Math.Exp(scale * Math.Log(sum / count));
}
