namespace Loire.Engine.Sampling;

/// <summary>Draws a token: temperature, top-k, top-p, min-p, then one random number over what is left, in the order of the tokens.</summary>
/// <remarks>In the order of tokens and not of weights, so that rounding that swaps two near-equal tokens does not change which one is drawn.</remarks>
internal sealed class TokenDraw(SamplingSettings settings)
{
    private const int Block = 1024;

    /// <param name="logits">With penalties and bias; no NaN.</param>
    /// <param name="max">Their greatest, finite.</param>
    /// <param name="position">Of the token that is drawn.</param>
    /// <param name="workspace">Overwritten, but for its logits.</param>
    public int Pick(ReadOnlySpan<float> logits, float max, long position, Workspace workspace)
    {
        const float steepest = 1e30f; // a temperature so low that its inverse is infinite would make 0 · ∞
        var scale = Math.Min(1 / settings.Temperature, steepest);
        var uniform = CounterRandom.Uniform(settings.Seed, (ulong)position);
        var filtersTopK = settings.TopK > 0 && settings.TopK < logits.Length;
        if (!filtersTopK && settings is { TopP: >= 1, MinP: <= 0 })
        {
            var weights = workspace.Weights.AsSpan(0, logits.Length);
            return FromAll(weights, uniform * LogitVectors.Exponentials(logits, max, scale, weights));
        }

        var count = filtersTopK ? GatherTopK(logits, max, scale, workspace, out var total) : GatherHeavy(logits, max, scale, workspace, out total);
        count = KeepNucleus(workspace, count, total);
        count = Selection.Keep(workspace.Tokens, workspace.Chosen, count, settings.MinP);
        return FromChosen(workspace.Tokens.AsSpan(0, count), workspace.Chosen.AsSpan(0, count), uniform);
    }

    private int GatherTopK(ReadOnlySpan<float> logits, float max, float scale, Workspace workspace, out double total)
    {
        var count = Selection.GatherTop(logits, max, settings.TopK, workspace.Tokens, workspace.Chosen);
        var chosen = workspace.Chosen.AsSpan(0, count);
        total = LogitVectors.Exponentials(chosen, max, scale, chosen);
        return count;
    }

    /// <summary>Gathers the tokens that top-p and min-p can keep, and perhaps some more.</summary>
    private int GatherHeavy(ReadOnlySpan<float> logits, float max, float scale, Workspace workspace, out double total)
    {
        var weights = workspace.Weights.AsSpan(0, logits.Length);
        total = LogitVectors.Exponentials(logits, max, scale, weights);
        var least = settings.MinP;
        if (settings.TopP < 1)
        {
            least = Math.Max(least, NucleusBound(weights, settings.TopP * total));
        }

        return LogitVectors.GatherFrom(weights, Math.Max(least, float.Epsilon), workspace.Tokens, workspace.Chosen);
    }

    /// <summary>A weight at or above which lies all of the nucleus; found in few passes, so not the highest such weight.</summary>
    private static float NucleusBound(ReadOnlySpan<float> weights, double target)
    {
        for (var bound = 1f / 16; bound > 1e-9f; bound /= 32)
        {
            if (LogitVectors.SumAbove(weights, bound) >= target)
            {
                return bound;
            }
        }

        return 0;
    }

    /// <summary>Keeps the heaviest tokens until their weights reach the share of the total; among equals at the border, the lower ids.</summary>
    private int KeepNucleus(Workspace workspace, int count, double total)
    {
        if (settings.TopP >= 1)
        {
            return count;
        }

        var target = settings.TopP * total;
        var weights = workspace.Chosen.AsSpan(0, count);
        var floor = Selection.NucleusFloor(weights, target);
        if (floor == 0)
        {
            return count;
        }

        var mass = LogitVectors.SumAbove(weights, floor);
        var room = Math.Max(1, (int)Math.Min(count, Math.Ceiling((target - mass) / floor)));
        var kept = 0;
        for (var i = 0; i < count; i++)
        {
            var weight = weights[i];
            if (weight > floor || (weight == floor && room-- > 0))
            {
                workspace.Tokens[kept] = workspace.Tokens[i];
                workspace.Chosen[kept++] = weight;
            }
        }

        return kept;
    }

    private static int FromChosen(ReadOnlySpan<int> tokens, ReadOnlySpan<float> weights, double uniform)
    {
        var total = 0.0;
        foreach (var weight in weights)
        {
            total += weight;
        }

        return tokens[Walk(weights, uniform * total)];
    }

    /// <summary>Skips whole blocks, then walks through one.</summary>
    private static int FromAll(ReadOnlySpan<float> weights, double target)
    {
        var start = 0;
        var lastHeavy = 0;
        for (; start < weights.Length; start += Block)
        {
            var block = weights.Slice(start, Math.Min(Block, weights.Length - start));
            var mass = LogitVectors.SumAbove(block, 0);
            if (mass > target)
            {
                return start + Walk(block, target);
            }

            lastHeavy = mass > 0 ? start : lastHeavy;
            target -= mass;
        }

        return lastHeavy + Walk(weights.Slice(lastHeavy, Math.Min(Block, weights.Length - lastHeavy)), double.PositiveInfinity);
    }

    /// <summary>The first index at which the running sum passes the target; the last with a weight, where rounding keeps it from doing so.</summary>
    private static int Walk(ReadOnlySpan<float> weights, double target)
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
