namespace Loire.Engine.Tests.Sampling;

/// <summary>Pearson's test that counts come from a distribution.</summary>
internal static class ChiSquare
{
    /// <remarks>
    /// The statistic has mean n and variance 2n for n degrees of freedom; five deviations are never exceeded by chance in a test of a fixed seed that has once passed,
    /// and a distribution that is wrong by a few percent exceeds them by far.
    /// </remarks>
    public static void AssertFits(ReadOnlySpan<int> counts, ReadOnlySpan<double> probabilities)
    {
        var total = 0L;
        foreach (var count in counts)
        {
            total += count;
        }

        var statistic = 0.0;
        var freedom = -1;
        for (var i = 0; i < counts.Length; i++)
        {
            if (probabilities[i] == 0)
            {
                Assert.Equal(0, counts[i]);
                continue;
            }

            var expected = probabilities[i] * total;
            statistic += (counts[i] - expected) * (counts[i] - expected) / expected;
            freedom++;
        }

        Assert.True(statistic < freedom + (5 * Math.Sqrt(2.0 * freedom)), $"chi-square is {statistic:F1} for {freedom} degrees of freedom.");
    }
}
