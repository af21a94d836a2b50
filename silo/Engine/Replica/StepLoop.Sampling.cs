using Loire.Engine.Sampling;

namespace Loire.Engine.Replica;

/// <remarks>What comes of a step: a sequence's next token, and whether that ends it.</remarks>
internal sealed partial class StepLoop
{
    private void Sample(Sequence sequence, int logits)
    {
        var chosen = _backend.Chosen(logits);
        if (sequence.Coming > 0 && (chosen < 0 || Contains(sequence.Request.EndTokens, chosen)))
        {
            Void(sequence);
        }

        TokenLogProb sampled;
        try
        {
            sampled = chosen >= 0 ? new TokenLogProb(chosen, float.NaN) : Choose(sequence, logits);
        }
        catch (InvalidOperationException notANumber)
        {
            _running.Remove(sequence);
            sequence.MarkFailed(notANumber);
            return;
        }

        sequence.Sampler.Observe(sampled.Token);
        sequence.Append(sampled.Token, sampled.LogProb, sequence.Sampler.Alternatives);
        _generatedTokens++;
        if (Contains(sequence.Request.EndTokens, sampled.Token))
        {
            End(sequence, SequenceEnd.EndToken);
        }
        else if (sequence.Stops is { } stops && stops.Push(_tokenBytes!(sampled.Token)))
        {
            End(sequence, SequenceEnd.StopText);
        }
        else if (sequence.Count == sequence.MaxTokens)
        {
            End(sequence, SequenceEnd.Length);
        }
    }

    /// <summary>The best token where that is all that is asked for, then the choice from its candidates where that is certain. Any other row is looked at here as a whole, and what cannot be chosen from is refused with its reason.</summary>
    private TokenLogProb Choose(Sequence sequence, int logits)
    {
        if (_backend.HasGreedy && sequence.Sampler.IsPlain && _backend.Greedy(logits) is var best && !float.IsNaN(best.LogProb))
        {
            return best with { LogProb = float.NaN };
        }

        if (_backend.HasCandidates && !sequence.Sampler.IsPlain && sequence.Sampler.TrySample(_backend.Candidates(logits), sequence.Count, out var sampled))
        {
            return sampled;
        }

        return sequence.Sampler.Sample(_backend.Logits(logits), sequence.Count);
    }

    private static bool Contains(IReadOnlyList<int> tokens, int token)
    {
        for (var i = 0; i < tokens.Count; i++)
        {
            if (tokens[i] == token)
            {
                return true;
            }
        }

        return false;
    }
}
