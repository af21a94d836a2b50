using Loire.Cuda;
using Loire.Engine.Sampling;
using Loire.Kernels;

namespace Loire.Engine.Backends.Cuda;

/// <summary>Results of the last batch on the host: the best token of each row at once, and its candidates where the batch needs them; whole rows of logits only when somebody wants them.</summary>
internal sealed class StepResults : IDisposable
{
    /// <summary>Without candidates the rows after a wanted one are wanted as well, as a rule: few waits are quicker than many.</summary>
    private const int RowsAtOnce = 16;

    private readonly CudaStage _stage;
    private readonly PinnedMemory _rows;
    private readonly bool[] _isHere;
    private readonly GreedyPart[] _greedy;
    private readonly CandidateRow _candidates = new(PartCandidates.Count);
    private readonly List<ResultRows> _steps = [];
    private readonly int _vocabulary;

    /// <param name="stage">The last.</param>
    /// <param name="rows">Most of a batch.</param>
    /// <param name="vocabulary">Tokens.</param>
    public StepResults(CudaStage stage, int rows, int vocabulary)
    {
        _stage = stage;
        _vocabulary = vocabulary;
        _isHere = new bool[rows];
        _greedy = new GreedyPart[stage.Parts.Length];
        _rows = stage.Parts[0].Device.AllocatePinned((long)rows * vocabulary * sizeof(float), "logits");
    }

    /// <summary>Whether the batch's steps have candidates.</summary>
    public bool HasCandidates { get; private set; }

    /// <summary>A new batch begins.</summary>
    public void Clear(bool hasCandidates)
    {
        HasCandidates = hasCandidates;
        _steps.Clear();
        Array.Clear(_isHere);
    }

    /// <summary>A step of the batch is enqueued next.</summary>
    /// <returns>Where its results go on the device.</returns>
    public int Add(int count, int padded)
    {
        var (index, first) = _steps.Count == 0 ? (0, 0) : (_steps[^1].Index + _steps[^1].Count, _steps[^1].First + _steps[^1].Padded);
        _steps.Add(new ResultRows(index, count, first, padded));
        return first;
    }

    /// <summary>After the batch: the greatest logit's token, the lowest among equals.</summary>
    public TokenLogProb Greedy(int index)
    {
        var step = StepOf(index);
        for (var i = 0; i < _greedy.Length; i++)
        {
            _greedy[i] = _stage.Parts[i].Results!.Greedy(step, index - step.Index); // the last stage has them
        }

        var best = GreedyParts.Join(_greedy);
        return new TokenLogProb(best.Token, best.LogProb);
    }

    /// <summary>After a batch with candidates, until the next call.</summary>
    public LogitCandidates Candidates(int index)
    {
        var step = StepOf(index);
        _candidates.Clear();
        foreach (var part in _stage.Parts)
        {
            part.Results!.Merge(step, index - step.Index, _candidates); // the last stage has them
        }

        var logSumExp = (double)_candidates.Logits[0] - Greedy(index).LogProb; // the log-probability of the greatest
        return new LogitCandidates(_candidates.Tokens, _candidates.Logits, logSumExp, _vocabulary);
    }

    /// <summary>After the batch, until the next one.</summary>
    public ReadOnlySpan<float> Read(int index)
    {
        var step = StepOf(index);
        if (!_isHere[index])
        {
            var count = Math.Min(step.Index + step.Count - index, HasCandidates ? 1 : RowsAtOnce);
            foreach (var part in _stage.Parts)
            {
                part.Results!.EnqueueRows(step.First + index - step.Index, count, _rows, index, _vocabulary); // the last stage has them
            }

            _stage.Synchronize();
            _isHere.AsSpan(index, count).Fill(true);
        }

        return _rows.Span<float>((long)index * _vocabulary * sizeof(float), _vocabulary);
    }

    public void Dispose() => _rows.Dispose();

    private ResultRows StepOf(int index)
    {
        foreach (var step in _steps)
        {
            if (index >= step.Index && index < step.Index + step.Count)
            {
                return step;
            }
        }

        throw new ArgumentOutOfRangeException(nameof(index), index, "The batch has no such row of logits.");
    }
}
