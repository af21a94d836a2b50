namespace Loire.Engine.Sampling;

/// <summary>Draws a token: temperature, top-k, top-p, min-p, then one random number over what is left, in the order of the tokens.</summary>
/// <remarks>In the order of tokens and not of weights, so that rounding that swaps two near-equal tokens does not change which one is drawn.</remarks>
internal sealed class TokenDraw(SamplingSettings settings)
{
    private const int WalkedAtOnce = 1024;

    /// <summary>What differences of logits are multiplied with: the inverse of the temperature.</summary>
    public static float ScaleOf(SamplingSettings settings)
    {
        const float steepest = 1e30f; // a temperature so low that its inverse is infinite would make 0 · ∞
        return Math.Min(1 / settings.Temperature, steepest);
    }

    /// <param name="logits">With penalties and bias; no NaN.</param>
    /// <param name="max">Their greatest, finite.</param>
    /// <param name="position">Of the token that is drawn.</param>
    /// <param name="workspace">Overwritten, but for its logits.</param>
    public int Pick(ReadOnlySpan<float> logits, float max, long position, Workspace workspace)
    {
        var uniform = CounterRandom.Uniform(settings.Seed, (ulong)position);
        if (settings.TopK <= 0 || settings.TopK >= logits.Length)
        {
            return Draw(logits, max, uniform, workspace.Weights.AsSpan(0, logits.Length), workspace.Chosen);
        }

        var count = Selection.GatherTop(logits, max, settings.TopK, workspace.Tokens, workspace.Chosen);
        var chosen = workspace.Chosen.AsSpan(0, count);
        return workspace.Tokens[Draw(chosen, max, uniform, chosen, workspace.Weights)];
    }

    /// <param name="logits">Of the tokens that are left.</param>
    /// <param name="max">The greatest of them.</param>
    /// <param name="uniform">From 0 to below 1.</param>
    /// <param name="weights">As long as the logits, and may be the same; overwritten.</param>
    /// <param name="scratch">As long as the logits, and not the same; overwritten.</param>
    /// <returns>An index of the logits.</returns>
    private int Draw(ReadOnlySpan<float> logits, float max, double uniform, Span<float> weights, Span<float> scratch)
    {
        var total = LogitVectors.Exponentials(logits, max, ScaleOf(settings), weights);
        if (settings.TopP < 1)
        {
            KeepNucleus(weights, settings.TopP * total, scratch);
        }

        if (settings.MinP > 0)
        {
            LogitVectors.ZeroBelow(weights, settings.MinP);
        }

        return Walk(weights, uniform * LogitVectors.SumAbove(weights, 0));
    }

    /// <summary>Keeps the heaviest until their weights reach the target, and sets the others to 0; among equals at the border, the first are kept.</summary>
    private static void KeepNucleus(Span<float> weights, double target, Span<float> scratch)
    {
        var floor = Selection.NucleusFloor(weights, target, scratch);
        if (floor == 0)
        {
            return;
        }

        var missing = (target - LogitVectors.SumAbove(weights, floor)) / floor;
        LogitVectors.ZeroBelow(weights, floor);
        var rest = weights;
        for (var at = rest.IndexOf(floor); at >= 0; at = rest.IndexOf(floor))
        {
            // One is always kept: the border lies in it.
            missing--;
            rest = rest[(at + 1)..];
            if (missing <= 0)
            {
                rest.Replace(floor, 0);
                return;
            }
        }
    }

    /// <summary>The first index at which the running sum passes the target: whole blocks first, then one by one.</summary>
    private static int Walk(ReadOnlySpan<float> weights, double target)
    {
        var lastHeavy = 0;
        for (var start = 0; start < weights.Length; start += WalkedAtOnce)
        {
            var mass = LogitVectors.SumAbove(Block(weights, start), 0);
            if (mass > target)
            {
                return start + WalkBlock(Block(weights, start), target);
            }

            lastHeavy = mass > 0 ? start : lastHeavy;
            target -= mass;
        }

        return lastHeavy + WalkBlock(Block(weights, lastHeavy), double.PositiveInfinity); // rounding kept the sum from passing
    }

    private static ReadOnlySpan<float> Block(ReadOnlySpan<float> weights, int start) =>
        weights.Slice(start, Math.Min(WalkedAtOnce, weights.Length - start));

    /// <summary>As <see cref="Walk"/>; the last index with a weight, where rounding keeps the sum from passing.</summary>
    private static int WalkBlock(ReadOnlySpan<float> weights, double target)
    {
        var sum = 0.0;
        var last = 0;
        for (var i = 0; i < weights.Length; i++)
        {
            if (weights[i] > 0)
            {
                sum += weights[i];
                last = i;
                if (sum > target)
                {
                    break;
                }
            }
        }

        return last;
    }
}
