namespace Loire.Engine.Sampling;

/// <summary>Finds the few tokens that matter among many, without sorting: thresholds are bisected over the bits of a float.</summary>
internal static class Selection
{
    /// <summary>Gathers the K greatest values, and those equal to the K-th, in the order of their indices.</summary>
    /// <param name="values">No NaN; its greatest is <paramref name="max"/>.</param>
    /// <param name="max">Finite.</param>
    /// <param name="k">At least 1.</param>
    /// <param name="indices">As long as the values.</param>
    /// <param name="gathered">As long as the values.</param>
    /// <returns>How many were gathered; −∞ is not, so that it may be fewer than K.</returns>
    public static int GatherTop(ReadOnlySpan<float> values, float max, int k, Span<int> indices, Span<float> gathered)
    {
        // The best are seldom far below the greatest: a few passes bound them, and the bisection then runs on a short list.
        var floor = -float.MaxValue;
        for (var depth = 2f; depth <= 128; depth *= 2)
        {
            if (LogitVectors.CountAbove(values, max - depth) >= k)
            {
                floor = max - depth;
                break;
            }
        }

        var count = LogitVectors.GatherFrom(values, floor, indices, gathered);
        if (count <= k)
        {
            return count;
        }

        var least = KthGreatest(gathered[..count], floor, max, k);
        return Keep(indices, gathered, count, least);
    }

    /// <summary>The least weight of a nucleus: the smallest v for which the weights above v sum to less than the target.</summary>
    /// <param name="weights">From 0 to 1, one of them 1.</param>
    /// <param name="target">The sum that the nucleus has to reach.</param>
    /// <param name="scratch">As long as the weights; overwritten.</param>
    /// <returns>0 when all weights are needed.</returns>
    public static float NucleusFloor(ReadOnlySpan<float> weights, double target, Span<float> scratch)
    {
        const int passesPerNarrowing = 4;
        if (!TryBracket(weights, target, out var low, out var high))
        {
            return 0;
        }

        // Positive floats order as their bits do. Invariant: sum above low ≥ target > sum above high.
        // Only weights between the two can still change a sum, so that from time to time only those are kept.
        var uncertain = weights;
        var certain = 0.0;
        for (var pass = 0; high - low > 1; pass++)
        {
            if (pass % passesPerNarrowing == 0)
            {
                var (least, greatest) = (BitConverter.Int32BitsToSingle(low + 1), BitConverter.Int32BitsToSingle(high));
                certain += LogitVectors.SumAbove(uncertain, greatest);
                uncertain = scratch[..LogitVectors.GatherWithin(uncertain, least, greatest, scratch)];
            }

            var middle = low + ((high - low) / 2);
            if (certain + LogitVectors.SumAbove(uncertain, BitConverter.Int32BitsToSingle(middle)) < target)
            {
                high = middle;
            }
            else
            {
                low = middle;
            }
        }

        return BitConverter.Int32BitsToSingle(high);
    }

    /// <summary>Finds in few passes between which bits the floor lies.</summary>
    /// <returns>False when all weights together do not reach the target.</returns>
    private static bool TryBracket(ReadOnlySpan<float> weights, double target, out int low, out int high)
    {
        const float step = 1f / 16;
        high = BitConverter.SingleToInt32Bits(1f);
        for (var bound = step; bound > 1e-9f; bound *= step)
        {
            low = BitConverter.SingleToInt32Bits(bound);
            if (LogitVectors.SumAbove(weights, bound) >= target)
            {
                return true;
            }

            high = low;
        }

        low = 0;
        return LogitVectors.SumAbove(weights, 0) >= target;
    }

    /// <summary>Drops what is below the threshold, in place.</summary>
    /// <returns>How many are left.</returns>
    public static int Keep(Span<int> indices, Span<float> values, int count, float least)
    {
        var kept = 0;
        for (var i = 0; i < count; i++)
        {
            if (values[i] >= least)
            {
                indices[kept] = indices[i];
                values[kept++] = values[i];
            }
        }

        return kept;
    }

    /// <summary>The smallest v with fewer than K values above it.</summary>
    private static float KthGreatest(ReadOnlySpan<float> values, float floor, float max, int k)
    {
        // Invariant: count above low ≥ k > count above high.
        var low = (long)Ordered(floor) - 1;
        var high = (long)Ordered(max);
        while (high - low > 1)
        {
            var middle = low + ((high - low) / 2);
            if (LogitVectors.CountAbove(values, Unordered((int)middle)) < k)
            {
                high = middle;
            }
            else
            {
                low = middle;
            }
        }

        return Unordered((int)high);
    }

    /// <summary>An integer that orders as the float does. Its own inverse, but for the type.</summary>
    private static int Ordered(float value)
    {
        var bits = BitConverter.SingleToInt32Bits(value);
        return bits ^ ((bits >> 31) & int.MaxValue);
    }

    private static float Unordered(int ordered) => BitConverter.Int32BitsToSingle(ordered ^ ((ordered >> 31) & int.MaxValue));
}
