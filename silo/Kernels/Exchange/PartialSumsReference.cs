namespace Loire.Kernels;

/// <summary>What <see cref="PartialSums"/> means, to the bit: fp32, one rounding a term, in the kernel's order.</summary>
public static class PartialSumsReference
{
    /// <summary>The sum of one row.</summary>
    /// <param name="hidden">Of the row.</param>
    /// <param name="terms"><c>[choices, hidden]</c>; may be empty.</param>
    /// <param name="weights"><c>[choices]</c>; empty: each 1.</param>
    /// <param name="chosen"><c>[choices]</c>; empty: every term counts.</param>
    /// <param name="firstExpert">Terms count whose choice is at least this,</param>
    /// <param name="endExpert">and less than this.</param>
    /// <param name="shared"><c>[hidden]</c>; empty: none.</param>
    /// <param name="sharedWeight">Of the shared term.</param>
    /// <returns><c>[hidden]</c></returns>
    public static float[] Row(
        int hidden, ReadOnlySpan<float> terms, ReadOnlySpan<float> weights, ReadOnlySpan<int> chosen, int firstExpert, int endExpert, ReadOnlySpan<float> shared = default, float sharedWeight = 1)
    {
        var sum = new float[hidden];
        for (var choice = 0; choice < terms.Length / hidden; choice++)
        {
            if (chosen.IsEmpty || (chosen[choice] >= firstExpert && chosen[choice] < endExpert))
            {
                Add(sum, terms.Slice(choice * hidden, hidden), weights.IsEmpty ? 1 : weights[choice]);
            }
        }

        if (!shared.IsEmpty)
        {
            Add(sum, shared, sharedWeight);
        }

        return sum;
    }

    private static void Add(float[] sum, ReadOnlySpan<float> term, float weight)
    {
        for (var i = 0; i < sum.Length; i++)
        {
            sum[i] = MathF.FusedMultiplyAdd(term[i], weight, sum[i]);
        }
    }
}
