using Loire.Engine.Links;
using Loire.Engine.State;

namespace Loire.Engine.Backends.Cpu.Links;

/// <summary>A batch's description as a stage on another silo needs it: slots, pages, positions and wanted logits; no tokens.</summary>
/// <remarks>Rows, sequences; then for each sequence: slot, start, rows, wanted logits, pages and their numbers.</remarks>
internal static class StepFrame
{
    public static void Write(StepBatch batch, PinnedBuffer frame)
    {
        frame.Append(batch.RowCount);
        frame.Append(batch.SequenceCount);
        var logits = 0;
        foreach (ref readonly var sequence in batch.Sequences)
        {
            var firstLogits = logits;
            while (logits < batch.LogitsCount && batch.LogitsRows[logits] < sequence.FirstRow + sequence.RowCount)
            {
                logits++;
            }

            frame.Append(sequence.Slot);
            frame.Append(sequence.Start);
            frame.Append(sequence.RowCount);
            frame.Append((int)WantedOf(logits - firstLogits));
            var pages = PagePool.PagesFor(sequence.Start + sequence.RowCount);
            frame.Append(pages);
            frame.Append(System.Runtime.InteropServices.MemoryMarshal.AsBytes(System.Runtime.InteropServices.CollectionsMarshal.AsSpan(sequence.Pages)[..pages]));
        }
    }

    /// <summary>Fills a batch, whose tokens are zeros.</summary>
    /// <param name="frame">From its beginning.</param>
    /// <param name="batch">Empty.</param>
    /// <param name="tables">Page tables to use, one a sequence.</param>
    /// <param name="slots">That there are.</param>
    /// <param name="pages">That there are.</param>
    /// <exception cref="FrameException">The batch does not fit the stage.</exception>
    public static void Read(ref PayloadReader frame, StepBatch batch, List<int>[] tables, int slots, int pages)
    {
        var rows = frame.Int("The rows of a step", 1, batch.FreeRows);
        var sequences = frame.Int("The sequences of a step", 1, Math.Min(batch.FreeSequences, tables.Length));
        Span<int> zeros = stackalloc int[64];
        zeros.Clear();
        for (var i = 0; i < sequences; i++)
        {
            var slot = frame.Int("A slot", 0, slots - 1);
            var start = frame.Int("A start", 0, int.MaxValue - batch.FreeRows);
            var count = frame.Int("The rows of a sequence", 1, rows - batch.RowCount);
            var wanted = (LogitsWanted)frame.Int("The wanted logits", 0, (int)LogitsWanted.All);
            var needed = PagePool.PagesFor(start + count);
            var table = frame.Ints(frame.Int("The pages of a sequence", needed, needed));
            if (table.IndexOfAnyExceptInRange(0, pages - 1) >= 0)
            {
                throw new FrameException($"A page is none of [0, {pages}).");
            }

            if ((wanted == LogitsWanted.All ? count : wanted == LogitsWanted.Last ? 1 : 0) > batch.FreeLogits)
            {
                throw new FrameException("More logits are wanted than there is room for.");
            }

            tables[i].Clear();
            tables[i].AddRange(table);
            batch.Add(slot, tables[i], start, count <= zeros.Length ? zeros[..count] : new int[count], wanted);
        }

        if (batch.RowCount != rows)
        {
            throw new FrameException($"The sequences of a step have {batch.RowCount} rows; {rows} were promised.");
        }
    }

    private static LogitsWanted WantedOf(int count) => count switch
    {
        0 => LogitsWanted.None,
        1 => LogitsWanted.Last,
        _ => LogitsWanted.All,
    };
}
