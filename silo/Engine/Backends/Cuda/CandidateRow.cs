namespace Loire.Engine.Backends.Cuda;

/// <summary>The best tokens of a row whose vocabulary is cut into parts, from the best of each.</summary>
/// <param name="capacity">Most that are kept.</param>
internal sealed class CandidateRow(int capacity)
{
    private (int[] Tokens, float[] Logits) _best = (new int[capacity], new float[capacity]);
    private (int[] Tokens, float[] Logits) _next = (new int[capacity], new float[capacity]);
    private int _count;

    /// <summary>Best first; the lower token among equals.</summary>
    public ReadOnlySpan<int> Tokens => _best.Tokens.AsSpan(0, _count);

    /// <summary>Theirs.</summary>
    public ReadOnlySpan<float> Logits => _best.Logits.AsSpan(0, _count);

    public void Clear() => _count = 0;

    /// <summary>Adds a part's, in ascending order of the parts.</summary>
    /// <param name="tokens">Best first, in the numbers of the part; −1: there are no more.</param>
    /// <param name="logits">Theirs.</param>
    /// <param name="firstToken">Of the part.</param>
    public void Merge(ReadOnlySpan<int> tokens, ReadOnlySpan<float> logits, int firstToken)
    {
        var end = tokens.IndexOf(-1);
        var left = end < 0 ? tokens.Length : end;
        var (own, other, count) = (0, 0, 0);
        for (; count < capacity && (own < _count || other < left); count++)
        {
            var isOther = own == _count || (other < left && IsGreater(logits[other], _best.Logits[own]));
            (_next.Tokens[count], _next.Logits[count]) = isOther ? (firstToken + tokens[other], logits[other]) : (_best.Tokens[own], _best.Logits[own]);
            (own, other) = isOther ? (own, other + 1) : (own + 1, other);
        }

        (_best, _next, _count) = (_next, _best, count);
    }

    /// <summary>NaN is less than any number.</summary>
    private static bool IsGreater(float one, float other) => one > other || (float.IsNaN(other) && !float.IsNaN(one));
}
