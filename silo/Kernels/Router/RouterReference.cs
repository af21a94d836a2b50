namespace Loire.Kernels;

/// <summary>What <see cref="Router"/> means, in double precision.</summary>
public static class RouterReference
{
    /// <summary>The experts of one row and their weights, best first.</summary>
    /// <param name="logits"><c>[experts]</c></param>
    /// <param name="topK">Of them.</param>
    /// <param name="shared">What of the row is a shared expert's, 0 to 1.</param>
    public static (int[] Experts, float[] Weights) Choose(ReadOnlySpan<float> logits, int topK, double shared = 0)
    {
        var values = logits.ToArray();
        var experts = Enumerable.Range(0, values.Length).OrderByDescending(expert => values[expert]).Take(topK).ToArray(); // stable: the lower expert wins
        var exponentials = experts.Select(expert => Math.Exp((double)values[expert] - values[experts[0]])).ToArray();
        var sum = exponentials.Sum();
        return (experts, [.. exponentials.Select(value => (float)(value / sum * (1 - shared)))]);
    }

    /// <summary>Entries by expert, ascending within one, and where each expert's begin.</summary>
    public static (int[] Offsets, int[] Order) Group(int[] chosen, int experts)
    {
        var offsets = Enumerable.Range(0, experts + 1).Select(expert => chosen.Count(other => other < expert)).ToArray();
        return (offsets, [.. Enumerable.Range(0, chosen.Length).OrderBy(entry => chosen[entry])]);
    }

    /// <summary>How many rows have chosen each expert, without those of the spare slot.</summary>
    /// <param name="chosen"><c>[rows, k]</c></param>
    /// <param name="experts">Count.</param>
    /// <param name="sequenceOfRow"><c>[rows]</c></param>
    /// <param name="slot"><c>[sequences]</c></param>
    /// <param name="spareSlot">Of rows that are nobody's.</param>
    public static long[] Load(int[] chosen, int experts, int[] sequenceOfRow, int[] slot, int spareSlot)
    {
        var topK = chosen.Length / sequenceOfRow.Length;
        var load = new long[experts];
        foreach (var (entry, expert) in chosen.Index())
        {
            load[expert] += slot[sequenceOfRow[entry / topK]] == spareSlot ? 0 : 1;
        }

        return load;
    }
}
