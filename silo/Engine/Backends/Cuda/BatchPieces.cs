using Loire.Engine.State;

namespace Loire.Engine.Backends.Cuda;

/// <summary>Cuts the rows of a large batch into pieces, so that stages work on different pieces at the same time.</summary>
/// <remarks>
/// Pieces keep the order of rows and of wanted logits. A sequence is cut where a page ends, so that its chunks are summed as without the cut.
/// A small batch stays whole: each piece reads all weights again.
/// </remarks>
internal sealed class BatchPieces
{
    /// <summary>Of a piece: with fewer, a mixture's experts cost by the weights that are read rather than by the rows.</summary>
    public const int LeastRows = 2048;

    private const int Alignment = StateShape.PageTokens;

    private readonly StepBatch[] _pieces;

    /// <param name="most">Pieces of one batch; 1: none is cut.</param>
    /// <param name="maxRows">Of a batch.</param>
    /// <param name="maxSequences">Of a batch.</param>
    /// <param name="maxLogitsRows">Of a batch.</param>
    public BatchPieces(int most, int maxRows, int maxSequences, int maxLogitsRows) =>
        _pieces = most == 1 ? [] : [.. Enumerable.Range(0, most).Select(_ => new StepBatch(Math.Min(maxRows, RowsOfPiece(maxRows, most)), maxSequences, maxLogitsRows))];

    /// <summary>Most rows of a piece of a batch, or of a batch that stays whole.</summary>
    public static int MostRows(int maxRows, int most) => most == 1 ? maxRows : Math.Min(maxRows, Math.Max(2 * LeastRows, RowsOfPiece(maxRows, most)));

    /// <returns>The batch itself, or its pieces, which are valid until the next call.</returns>
    public ReadOnlySpan<StepBatch> Cut(in StepBatch batch)
    {
        if (_pieces.Length == 0 || batch.RowCount < 2 * LeastRows)
        {
            return new ReadOnlySpan<StepBatch>(in batch);
        }

        var rows = RowsOfPiece(batch.RowCount, _pieces.Length);
        var piece = 0;
        var wanted = 0;
        _pieces[0].Clear();
        foreach (var sequence in batch.Sequences)
        {
            var logits = WantedOf(batch, sequence, ref wanted);
            for (var done = 0; done < sequence.RowCount;)
            {
                var count = Fitting(sequence, done, rows - _pieces[piece].RowCount);
                if (count == 0)
                {
                    _pieces[++piece].Clear(); // there is room for all: each piece has a page more than its share
                    continue;
                }

                var isEnd = done + count == sequence.RowCount;
                _pieces[piece].Add(
                    sequence.Slot, sequence.Pages, sequence.Start + done, batch.Tokens.Slice(sequence.FirstRow + done, count),
                    logits is LogitsWanted.Last && !isEnd ? LogitsWanted.None : logits, logits is LogitsWanted.None ? default : batch.Choices[wanted - 1]);
                done += count;
            }
        }

        var pieces = _pieces.AsSpan(0, piece + 1);
        foreach (var cut in pieces)
        {
            cut.NeedsCandidates = batch.NeedsCandidates;
        }

        return pieces;
    }

    private static int RowsOfPiece(int rows, int pieces) =>
        Math.Max(LeastRows, (((rows + pieces - 1) / pieces + Alignment - 1) / Alignment * Alignment) + Alignment);

    /// <summary>Rows of a sequence that fit, up to the end of a page or of the sequence.</summary>
    private static int Fitting(in StepSequence sequence, int done, int room)
    {
        var left = sequence.RowCount - done;
        return left <= room ? left : Math.Max(0, room - ((sequence.Start + done + room) % Alignment));
    }

    /// <summary>Which logits of the sequence are wanted: those of all rows, of the last, or none.</summary>
    private static LogitsWanted WantedOf(StepBatch batch, in StepSequence sequence, ref int wanted)
    {
        var count = 0;
        for (; wanted < batch.LogitsCount && batch.LogitsRows[wanted] < sequence.FirstRow + sequence.RowCount; wanted++)
        {
            count++;
        }

        return count == 0 ? LogitsWanted.None : count == sequence.RowCount ? LogitsWanted.All : LogitsWanted.Last;
    }
}
