namespace Loire.Engine.Backends.Cuda;

/// <summary>Where on the devices the results of one batch lie, whose pieces are steps of their own.</summary>
/// <param name="first">Row where they begin.</param>
internal sealed class BatchResults(int first)
{
    private readonly List<ResultRows> _steps = [];

    /// <summary>Whether its steps have candidates.</summary>
    public bool HasCandidates { get; private set; }

    public void Clear(bool hasCandidates)
    {
        HasCandidates = hasCandidates;
        _steps.Clear();
    }

    /// <summary>A step of the batch is enqueued next.</summary>
    /// <param name="count">Rows that are wanted.</param>
    /// <param name="padded">With padding.</param>
    public ResultRows Add(int count, int padded)
    {
        var step = _steps.Count == 0
            ? new ResultRows(0, count, first, padded)
            : new ResultRows(_steps[^1].Index + _steps[^1].Count, count, _steps[^1].First + _steps[^1].Padded, padded);
        _steps.Add(step);
        return step;
    }

    /// <summary>The step that has a row of the batch.</summary>
    public ResultRows StepOf(int index)
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

    /// <summary>Row of the devices.</summary>
    public int RowOf(int index)
    {
        var step = StepOf(index);
        return step.First + index - step.Index;
    }
}

/// <summary>Rows of results that one step has computed.</summary>
/// <param name="Index">Of the first, as the batch counts.</param>
/// <param name="Count">Wanted.</param>
/// <param name="First">Row on the device.</param>
/// <param name="Padded">With padding.</param>
internal readonly record struct ResultRows(int Index, int Count, int First, int Padded);
