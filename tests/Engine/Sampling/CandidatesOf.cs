using Loire.Engine.Sampling;

namespace Loire.Engine.Tests.Sampling;

/// <summary>The best tokens of a row, as a device gives them.</summary>
internal sealed class CandidatesOf
{
    private readonly int[] _tokens;
    private readonly float[] _logits;
    private readonly double _logSumExp;
    private readonly int _vocabularySize;

    /// <param name="row">All logits.</param>
    /// <param name="count">Best tokens, at most.</param>
    /// <param name="error">Relative, of the sum of exponentials.</param>
    public CandidatesOf(float[] row, int count, double error = 0)
    {
        _tokens = [.. Enumerable.Range(0, row.Length).OrderByDescending(token => row[token]).Take(count)]; // stable: the lower token first; NaN is last
        _logits = [.. _tokens.Select(token => row[token])];
        _logSumExp = _logits[0] + (double)(float)Math.Log(row.Sum(x => Math.Exp((double)x - _logits[0])) * (1 + error));
        _vocabularySize = row.Length;
    }

    public LogitCandidates Value => new(_tokens, _logits, _logSumExp, _vocabularySize);

    public ReadOnlySpan<int> Tokens => _tokens;
}
