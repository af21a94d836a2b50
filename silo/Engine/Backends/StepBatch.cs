using Loire.Kernels;

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
    private readonly RowChoice[] _choices;

    public StepBatch(int maxRows, int maxSequences, int maxLogitsRows)
    {
        _tokens = new int[maxRows];
        _positions = new int[maxRows];
        _sequenceOfRow = new int[maxRows];
        _sequences = new StepSequence[maxSequences];
        _logitsRows = new int[maxLogitsRows];
        _choices = new RowChoice[maxLogitsRows];
    }

    public int RowCount { get; private set; }

    public int SequenceCount { get; private set; }

    public int LogitsCount { get; private set; }

    /// <summary>Whether a row of logits is asked for more than its best token.</summary>
    public bool NeedsCandidates { get; set; }

    public int FreeRows => _tokens.Length - RowCount;

    public int FreeSequences => _sequences.Length - SequenceCount;

    public int FreeLogits => _logitsRows.Length - LogitsCount;

    /// <summary>Of each row; of one that <see cref="AddNext"/> has added: <c>−1 − i</c>, where i is where it will be.</summary>
    public ReadOnlySpan<int> Tokens => _tokens.AsSpan(0, RowCount);

    /// <summary>Position of each row's token in its sequence.</summary>
    public ReadOnlySpan<int> Positions => _positions.AsSpan(0, RowCount);

    public ReadOnlySpan<int> SequenceOfRow => _sequenceOfRow.AsSpan(0, RowCount);

    public ReadOnlySpan<StepSequence> Sequences => _sequences.AsSpan(0, SequenceCount);

    /// <summary>Rows whose logits are wanted, in the order of the logits buffer.</summary>
    public ReadOnlySpan<int> LogitsRows => _logitsRows.AsSpan(0, LogitsCount);

    /// <summary>How the token of each row of logits is chosen, in the same order, where the backend can.</summary>
    public ReadOnlySpan<RowChoice> Choices => _choices.AsSpan(0, LogitsCount);

    /// <summary>Whether a row's token comes of a step that may still be under way.</summary>
    public bool Follows { get; private set; }

    public void Clear()
    {
        RowCount = SequenceCount = LogitsCount = 0;
        NeedsCandidates = Follows = false;
    }

    /// <param name="slot">Holds the recurrent state after <paramref name="start"/> tokens.</param>
    /// <param name="pages">Page table with room for all tokens up to the last one added here.</param>
    /// <param name="start">Position of the first token.</param>
    /// <param name="tokens">In order; at least one.</param>
    /// <param name="logits">Which rows' logits are wanted.</param>
    /// <param name="choice">How the token after each of them is chosen.</param>
    public void Add(int slot, List<int> pages, int start, ReadOnlySpan<int> tokens, LogitsWanted logits, in RowChoice choice = default)
    {
        var first = RowCount;
        tokens.CopyTo(_tokens.AsSpan(first));
        for (var i = 0; i < tokens.Length; i++)
        {
            _positions[first + i] = start + i;
            _sequenceOfRow[first + i] = SequenceCount;
        }

        Follows |= tokens[0] < 0;
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
            _choices[LogitsCount] = choice;
            _logitsRows[LogitsCount++] = row;
        }
    }

    /// <summary>Adds a sequence's next row before its token is known: that which an earlier step chooses. If it chooses none, or one that ends the sequence, the row is of no meaning and leaves no trace.</summary>
    /// <param name="slot">As for <see cref="Add"/>.</param>
    /// <param name="pages">With room for one more.</param>
    /// <param name="start">Position of the token.</param>
    /// <param name="result">Where the token will be: of <see cref="IBackend.ResultOf"/>.</param>
    /// <param name="choice">How the token after it is chosen.</param>
    public void AddNext(int slot, List<int> pages, int start, int result, in RowChoice choice)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(result);
        Add(slot, pages, start, [-1 - result], LogitsWanted.Last, choice);
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
