namespace Loire.Engine.Sampling;

/// <summary>Draws as <see cref="TokenDraw"/> does, from the candidates of a row, where it is certain that the whole row gives the same token.</summary>
/// <remarks>
/// The other tokens are a mass between two bounds that may lie anywhere among the candidates, and sums of the whole row are rounded. So each filter keeps a candidate for certain,
/// drops it for certain, or leaves it in doubt; and a token is drawn only when it is the one for every place that the mass may have, and for every sum in the bounds.
/// </remarks>
internal sealed class CandidateDraw(SamplingSettings settings, int vocabularySize)
{
    /// <summary>Of sums, as a share of the greatest: here two are compared, each with the error of <see cref="LogitVectors.SumRounding"/>, and some additions more.</summary>
    private const double Rounding = 4 * LogitVectors.SumRounding;

    /// <param name="known">With their weights; in another order and filtered after it.</param>
    /// <param name="others">At the temperature.</param>
    /// <param name="uniform">From 0 to below 1.</param>
    /// <param name="token">The one that is drawn.</param>
    /// <returns>False: it is not certain.</returns>
    public bool TryPick(KnownTokens known, OtherTokens others, double uniform, out int token)
    {
        if (settings.TopK > 0 && settings.TopK < vocabularySize)
        {
            KeepTop(known, ref others);
        }

        if (settings.TopP < 1)
        {
            KeepNucleus(known, ref others);
        }

        if (settings.MinP > 0)
        {
            DropBelow(known.Tokens, settings.MinP, ref others);
        }

        known.SortByToken();
        return TryWalk(known.Tokens, others.Most, uniform, out token);
    }

    private void KeepTop(KnownTokens known, ref OtherTokens others)
    {
        known.SortByLogit();
        var tokens = known.Tokens;
        var isCertain = settings.TopK <= tokens.Length && tokens[settings.TopK - 1].Logit > others.Ceiling;
        var least = isCertain ? tokens[settings.TopK - 1].Logit : others.Ceiling;
        foreach (ref var token in tokens)
        {
            if (isCertain && token.Logit < least)
            {
                token.Drop();
            }
            else if (!isCertain && token.Logit <= least)
            {
                token.Doubt(); // those above all others are fewer than K, and stay
            }
        }

        if (isCertain)
        {
            others.Drop();
        }
        else
        {
            others.Doubt(others.Most);
        }
    }

    /// <summary>A token is kept when those that go before it, the heavier ones and the lower ones of its weight, do not reach the target; one is always kept.</summary>
    private void KeepNucleus(KnownTokens known, ref OtherTokens others)
    {
        known.SortByWeight();
        var (least, most) = Sums(known.Tokens);
        var rounding = Rounding * (most + others.Most);
        var leastTarget = (settings.TopP * (least + others.Least)) - rounding;
        var mostTarget = (settings.TopP * (most + others.Most)) + rounding;
        var (leastBefore, mostBefore, aboveOthers) = (0.0, 0.0, 0.0);
        foreach (ref var token in known.Tokens)
        {
            var isAboveOthers = token.Weight > others.MostOfOne;
            var (leastThrough, mostThrough) = (leastBefore + token.Least, mostBefore + token.Most);
            aboveOthers += isAboveOthers ? token.Least : 0;
            mostBefore += isAboveOthers ? 0 : others.Most;
            if (leastBefore >= mostTarget)
            {
                token.Drop();
            }
            else if (mostBefore > 0 && mostBefore >= leastTarget)
            {
                token.Doubt();
            }

            (leastBefore, mostBefore) = (leastThrough, mostThrough);
        }

        if (aboveOthers >= mostTarget)
        {
            others.Drop();
        }
        else
        {
            others.Doubt(mostTarget - aboveOthers + others.MostOfOne); // before the last that is kept, the target is not reached
        }
    }

    private static void DropBelow(Span<KnownToken> tokens, float least, ref OtherTokens others)
    {
        foreach (ref var token in tokens)
        {
            if (token.Weight < least)
            {
                token.Drop();
            }
        }

        if (others.MostOfOne < least)
        {
            others.Drop();
        }
    }

    /// <summary>The token, if there is one, at which the running sum passes the draw's share of all wherever the mass of the others lies: all before it, and all behind it.</summary>
    private static bool TryWalk(ReadOnlySpan<KnownToken> tokens, double others, double uniform, out int found)
    {
        var (least, most) = Sums(tokens);
        var rounding = Rounding * (most + others);
        var (leastBefore, mostBefore) = (0.0, 0.0);
        foreach (var token in tokens)
        {
            var (leastThrough, mostThrough) = (leastBefore + token.Least, mostBefore + token.Most);
            if (token.Least > 0
                && IsPassed(mostBefore + others, least - leastBefore, uniform, rounding)
                && IsPassed(most - mostThrough + others, leastThrough, 1 - uniform, rounding))
            {
                found = token.Token;
                return true;
            }

            (leastBefore, mostBefore) = (leastThrough, mostThrough);
        }

        found = -1;
        return false;
    }

    /// <summary>Whether a share of the whole lies beyond what is on this side of it, though this side is as heavy as can be, and the other as light.</summary>
    /// <remarks>Where nothing is on this side, there is nothing to stop at, whatever the rounding.</remarks>
    private static bool IsPassed(double mostHere, double leastBeyond, double share, double rounding) =>
        mostHere == 0 || ((1 - share) * mostHere) + rounding < share * leastBeyond;

    private static (double Least, double Most) Sums(ReadOnlySpan<KnownToken> tokens)
    {
        var (least, most) = (0.0, 0.0);
        foreach (var token in tokens)
        {
            least += token.Least;
            most += token.Most;
        }

        return (least, most);
    }
}
