using Loire.Engine.Sampling;

namespace Loire.Engine.Replica;

/// <remarks>What comes of a step: how far each sequence has got, its next token, and whether that ends it.</remarks>
internal sealed partial class StepLoop
{
    private void Sample()
    {
        var logits = 0;
        for (var i = 0; i < _inStep.Count; i++)
        {
            var sequence = _inStep[i];
            var rows = _batch.Sequences[i].RowCount;
            sequence.Computed += rows;
            if (sequence.Computed < sequence.Count)
            {
                _promptTokens += rows;
                continue;
            }

            _promptTokens += rows - 1;
            Sample(sequence, logits++);
        }
    }

    private void Sample(Sequence sequence, int logits)
    {
        TokenLogProb sampled;
        try
        {
            sampled = Choose(sequence, logits);
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

    /// <summary>The backend's own choice where that is all that is asked for, then the choice from its candidates where that is certain. Any other row is looked at here as a whole, and what cannot be chosen from is refused with its reason.</summary>
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
