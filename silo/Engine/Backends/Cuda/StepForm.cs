using System.Numerics;
using Loire.Kernels;

namespace Loire.Engine.Backends.Cuda;

/// <summary>What of a step a captured graph is made for: sizes, not contents.</summary>
/// <param name="Rows">With padding.</param>
/// <param name="Sequences">With padding.</param>
/// <param name="LogitsRows">With padding.</param>
/// <param name="PageStride">Pages of one sequence that the page table has room for; a power of two.</param>
/// <param name="IsDecode">Each sequence has one row, whose logits are wanted.</param>
/// <param name="HasCandidates">The best tokens of each row of logits are found, not only the best one.</param>
internal readonly record struct StepForm(int Rows, int Sequences, int LogitsRows, int PageStride, bool IsDecode, bool HasCandidates)
{
    private const int LeastPages = 16;

    /// <summary>Integers that are uploaded for it.</summary>
    public int Integers => (3 * Rows) + (3 * Sequences) + (LogitsRows * (1 + RowChoice.Length)) + (Sequences * PageStride);

    /// <summary>The form of a batch: padded to a bucket when it is a decode step that fits one.</summary>
    /// <param name="batch">At least one row.</param>
    /// <param name="mostSequences">Rows of the largest bucket.</param>
    public static StepForm Of(StepBatch batch, int mostSequences)
    {
        var pages = 1;
        foreach (var sequence in batch.Sequences)
        {
            pages = Math.Max(pages, ((sequence.Start + sequence.RowCount - 1) / State.StateShape.PageTokens) + 1);
        }

        var stride = (int)BitOperations.RoundUpToPowerOf2((uint)Math.Max(pages, LeastPages));
        var isDecode = batch.RowCount == batch.SequenceCount && batch.LogitsCount == batch.RowCount;
        if (!isDecode)
        {
            return new StepForm(batch.RowCount, batch.SequenceCount, batch.LogitsCount, stride, false, batch.NeedsCandidates && batch.LogitsCount > 0);
        }

        var bucket = BucketOf(batch.RowCount, mostSequences);
        return new StepForm(bucket, bucket, bucket, stride, true, batch.NeedsCandidates);
    }

    /// <summary>Powers of two up to 64, then multiples of 64 up to the most.</summary>
    public static int BucketOf(int sequences, int most)
    {
        const int Coarse = 64;
        var bucket = sequences <= Coarse ? (int)BitOperations.RoundUpToPowerOf2((uint)sequences) : (sequences + Coarse - 1) / Coarse * Coarse;
        return Math.Max(sequences, Math.Min(bucket, most));
    }
}
