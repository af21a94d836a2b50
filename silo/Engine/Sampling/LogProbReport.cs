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
                Insert(workspace.Tokens[i], workspace.Chosen[i]);
            }
        }

        Normalize(normalizer);
        return (float)(logits[token] - normalizer);
    }

    /// <summary>Whether candidates have all that <see cref="Fill(in LogitCandidates, int)"/> reports.</summary>
    public bool CanFill(in LogitCandidates candidates) =>
        _alternatives.Length == 0 || candidates.OthersCount == 0 || candidates.Least == float.NegativeInfinity
        || (_alternatives.Length <= candidates.Logits.Length && candidates.Logits[_alternatives.Length - 1] > candidates.Least);

    /// <summary>The same from the candidates of a row.</summary>
    /// <returns>That of the chosen one of them.</returns>
    public float Fill(in LogitCandidates candidates, int token)
    {
        _count = 0;
        var least = candidates.Logits[Math.Clamp(_alternatives.Length, 1, candidates.Logits.Length) - 1];
        for (var i = 0; i < candidates.Tokens.Length; i++)
        {
            if (candidates.Logits[i] >= least && candidates.Logits[i] > float.NegativeInfinity)
            {
                Insert(candidates.Tokens[i], candidates.Logits[i]);
            }
        }

        Normalize(candidates.LogSumExp);
        return (float)(candidates.Logits[candidates.Tokens.IndexOf(token)] - candidates.LogSumExp);
    }

    /// <summary>Keeps the list sorted and at its length, with logits for log-probabilities: those may be alike where logits are not.</summary>
    private void Insert(int token, float logit)
    {
        var at = _count;
        while (at > 0 && (_alternatives[at - 1].LogProb < logit || (_alternatives[at - 1].LogProb == logit && _alternatives[at - 1].Token > token)))
        {
            at--;
        }

        if (at == _alternatives.Length)
        {
            return;
        }

        var last = Math.Min(_count, _alternatives.Length - 1);
        Array.Copy(_alternatives, at, _alternatives, at + 1, last - at);
        _alternatives[at] = new TokenLogProb(token, logit);
        _count = last + 1;
    }

    private void Normalize(double normalizer)
    {
        foreach (ref var alternative in _alternatives.AsSpan(0, _count))
        {
            alternative = alternative with { LogProb = (float)(alternative.LogProb - normalizer) };
        }
    }
}
