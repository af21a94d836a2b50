namespace Loire.Engine.Sampling;

/// <summary>Log-probabilities of the raw logits: the chosen token's and those of the best.</summary>
internal sealed class LogProbReport(int alternatives)
{
    private readonly TokenLogProb[] _alternatives = new TokenLogProb[alternatives];
    private int _count;

    /// <summary>Best first; the lower id among equals.</summary>
    public ReadOnlySpan<TokenLogProb> Alternatives => _alternatives.AsSpan(0, _count);

    /// <param name="logits">Raw; no NaN.</param>
    /// <param name="max">Their greatest, finite.</param>
    /// <param name="token">The chosen one.</param>
    /// <param name="workspace">Overwritten, but for its logits.</param>
    /// <returns>That of the chosen token.</returns>
    public float Fill(ReadOnlySpan<float> logits, float max, int token, Workspace workspace)
    {
        var normalizer = max + Math.Log(LogitVectors.Exponentials(logits, max, 1, workspace.Weights));
        _count = 0;
        if (_alternatives.Length > 0)
        {
            var count = Selection.GatherTop(logits, max, _alternatives.Length, workspace.Tokens, workspace.Chosen);
            for (var i = 0; i < count; i++)
            {
                Insert(new TokenLogProb(workspace.Tokens[i], (float)(workspace.Chosen[i] - normalizer)));
            }
        }

        return (float)(logits[token] - normalizer);
    }

    /// <summary>Keeps the list sorted and at its length; a later token goes behind its equals.</summary>
    private void Insert(TokenLogProb candidate)
    {
        var at = _count;
        while (at > 0 && _alternatives[at - 1].LogProb < candidate.LogProb)
        {
            at--;
        }

        if (at == _alternatives.Length)
        {
            return;
        }

        var last = Math.Min(_count, _alternatives.Length - 1);
        Array.Copy(_alternatives, at, _alternatives, at + 1, last - at);
        _alternatives[at] = candidate;
        _count = last + 1;
    }
}
