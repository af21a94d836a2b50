using Loire.Cuda;
using Loire.Engine.Sampling;
using Loire.Kernels;

namespace Loire.Engine.Backends.Cuda;

/// <summary>Results of the batches under way, and on the host those of the one that has landed last: the token that each row's device has chosen, the best one, and candidates where the batch needs them; whole rows of logits only when somebody wants them.</summary>
internal sealed class StepResults : IDisposable
{
    /// <summary>Without candidates the rows after a wanted one are wanted as well, as a rule: few waits are quicker than many.</summary>
    private const int RowsAtOnce = 16;

    private readonly CudaStage _stage;
    private readonly PinnedMemory _rows;
    private readonly bool[] _isHere;
    private readonly GreedyPart[] _greedy;
    private readonly CandidateRow _candidates = new(PartCandidates.Count);
    private readonly BatchResults[] _batches;
    private readonly int _vocabulary;
    private BatchResults _landed;

    /// <param name="stage">The last.</param>
    /// <param name="batches">Under way at once.</param>
    /// <param name="rowsOfBatch">Rows of the device for the results of each, padding included.</param>
    /// <param name="rows">Most of a batch.</param>
    /// <param name="vocabulary">Tokens.</param>
    public StepResults(CudaStage stage, int batches, int rowsOfBatch, int rows, int vocabulary)
    {
        _stage = stage;
        _vocabulary = vocabulary;
        _isHere = new bool[rows];
        _greedy = new GreedyPart[stage.Parts.Length];
        _batches = [.. Enumerable.Range(0, batches).Select(i => new BatchResults(i * rowsOfBatch))];
        _landed = _batches[0];
        _rows = stage.Parts[0].Device.AllocatePinned((long)rows * vocabulary * sizeof(float), "logits");
    }

    /// <summary>Whether the landed batch has candidates.</summary>
    public bool HasCandidates => _landed.HasCandidates;

    /// <summary>Of a batch that is enqueued in the place of one that has landed.</summary>
    public BatchResults Begin(int batch, bool hasCandidates)
    {
        _batches[batch].Clear(hasCandidates);
        return _batches[batch];
    }

    /// <summary>What is asked from here on is of this batch, whose results are complete.</summary>
    public void Land(int batch)
    {
        _landed = _batches[batch];
        Array.Clear(_isHere);
    }

    /// <summary>The token that the device has chosen; −1: none.</summary>
    public int Chosen(int index)
    {
        var step = _landed.StepOf(index);
        return _stage.First.Results!.Chosen(step, index - step.Index); // the last stage has them
    }

    /// <summary>The greatest logit's token, the lowest among equals.</summary>
    public TokenLogProb Greedy(int index)
    {
        var step = _landed.StepOf(index);
        for (var i = 0; i < _greedy.Length; i++)
        {
            _greedy[i] = _stage.Parts[i].Results!.Greedy(step, index - step.Index); // the last stage has them
        }

        var best = GreedyParts.Join(_greedy);
        return new TokenLogProb(best.Token, best.LogProb);
    }

    /// <summary>Of a batch with candidates, until the next call.</summary>
    public LogitCandidates Candidates(int index)
    {
        var step = _landed.StepOf(index);
        _candidates.Clear();
        foreach (var part in _stage.Parts)
        {
            part.Results!.Merge(step, index - step.Index, _candidates); // the last stage has them
        }

        var logSumExp = (double)_candidates.Logits[0] - Greedy(index).LogProb; // the log-probability of the greatest
        return new LogitCandidates(_candidates.Tokens, _candidates.Logits, logSumExp, _vocabulary);
    }

    /// <summary>Until another batch begins or lands.</summary>
    public ReadOnlySpan<float> Read(int index)
    {
        var step = _landed.StepOf(index);
        if (!_isHere[index])
        {
            var count = Math.Min(step.Index + step.Count - index, HasCandidates ? 1 : RowsAtOnce);
            foreach (var part in _stage.Parts)
            {
                part.Results!.EnqueueRows(step.First + index - step.Index, count, _rows, index, _vocabulary); // the last stage has them
            }

            foreach (var part in _stage.Parts)
            {
                part.Device.MakeCurrent();
                part.Transfers.Synchronize();
            }

            _isHere.AsSpan(index, count).Fill(true);
        }

        return _rows.Span<float>((long)index * _vocabulary * sizeof(float), _vocabulary);
    }

    public void Dispose() => _rows.Dispose();
}
