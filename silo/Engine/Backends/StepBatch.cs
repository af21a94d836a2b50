namespace Loire.Engine.Backends;

/// <summary>What one step computes: rows of tokens of several sequences, packed without padding. Filled anew each step, allocated once.</summary>
/// <remarks>
/// Rows of a sequence follow each other in position order:
/// <code>
/// | sequence 0: 1 decode token | sequence 1: 300 prompt tokens | sequence 2: 1 decode token | ...
/// </code>
/// </remarks>
public sealed class StepBatch
{
    private readonly int[] _tokens;
    private readonly int[] _positions;
    private readonly int[] _sequenceOfRow;
    private readonly StepSequence[] _sequences;
    private readonly int[] _logitsRows;

    public StepBatch(int maxRows, int maxSequences, int maxLogitsRows)
    {
        _tokens = new int[maxRows];
        _positions = new int[maxRows];
        _sequenceOfRow = new int[maxRows];
        _sequences = new StepSequence[maxSequences];
        _logitsRows = new int[maxLogitsRows];
    }

    public int RowCount { get; private set; }

    public int SequenceCount { get; private set; }

    public int LogitsCount { get; private set; }

    /// <summary>Whether a row of logits is asked for more than its best token.</summary>
    public bool NeedsCandidates { get; set; }

    public int FreeRows => _tokens.Length - RowCount;

    public int FreeSequences => _sequences.Length - SequenceCount;

    public int FreeLogits => _logitsRows.Length - LogitsCount;

    public ReadOnlySpan<int> Tokens => _tokens.AsSpan(0, RowCount);

    /// <summary>Position of each row's token in its sequence.</summary>
    public ReadOnlySpan<int> Positions => _positions.AsSpan(0, RowCount);

    public ReadOnlySpan<int> SequenceOfRow => _sequenceOfRow.AsSpan(0, RowCount);

    public ReadOnlySpan<StepSequence> Sequences => _sequences.AsSpan(0, SequenceCount);

    /// <summary>Rows whose logits are wanted, in the order of the logits buffer.</summary>
    public ReadOnlySpan<int> LogitsRows => _logitsRows.AsSpan(0, LogitsCount);

    public void Clear()
    {
        RowCount = SequenceCount = LogitsCount = 0;
        NeedsCandidates = false;
    }

    /// <param name="slot">Holds the recurrent state after <paramref name="start"/> tokens.</param>
    /// <param name="pages">Page table with room for all tokens up to the last one added here.</param>
    /// <param name="start">Position of the first token.</param>
    /// <param name="tokens">In order; at least one.</param>
    /// <param name="logits">Which rows' logits are wanted.</param>
    public void Add(int slot, List<int> pages, int start, ReadOnlySpan<int> tokens, LogitsWanted logits)
    {
        var first = RowCount;
        tokens.CopyTo(_tokens.AsSpan(first));
        for (var i = 0; i < tokens.Length; i++)
        {
            _positions[first + i] = start + i;
            _sequenceOfRow[first + i] = SequenceCount;
        }

        _sequences[SequenceCount++] = new StepSequence(slot, pages, start, first, tokens.Length);
        RowCount += tokens.Length;
        var firstWanted = logits switch
        {
            LogitsWanted.None => RowCount,
            LogitsWanted.Last => RowCount - 1,
            _ => first,
        };
        for (var row = firstWanted; row < RowCount; row++)
        {
            _logitsRows[LogitsCount++] = row;
        }
    }
}

public enum LogitsWanted
{
    None,
    Last,
    All,
}

/// <summary>One sequence's part of a step.</summary>
/// <param name="Slot">Of its recurrent state.</param>
/// <param name="Pages">Of its keys and values, in position order.</param>
/// <param name="Start">Tokens that its state covers before the step.</param>
/// <param name="FirstRow">Its first row of the batch.</param>
/// <param name="RowCount">Its rows.</param>
public readonly record struct StepSequence(int Slot, List<int> Pages, int Start, int FirstRow, int RowCount);
