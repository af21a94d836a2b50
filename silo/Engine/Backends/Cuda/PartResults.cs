using Loire.Cuda;
using Loire.Engine.Models;
using Loire.Kernels;

namespace Loire.Engine.Backends.Cuda;

/// <summary>Results of a part of the last stage: of its tokens of the vocabulary.</summary>
internal sealed class PartResults : IDisposable
{
    private readonly CudaPart _part;
    private readonly PinnedMemory _greedy;

    public PartResults(CudaPart part, ModelGraph graph, ElementType type, int rows)
    {
        _part = part;
        var (first, end) = part.Weights.Vocabulary;
        Device = new ResultBuffers(part.Device, graph.HiddenSize, end - first, type, rows);
        Candidates = new PartCandidates(part.Device, end - first, rows);
        _greedy = part.Device.AllocatePinned((long)rows * GreedyRow.Length * sizeof(int), "sampled tokens");
    }

    public ResultBuffers Device { get; }

    public PartCandidates Candidates { get; }

    /// <summary>On the device.</summary>
    public long Bytes => Device.Bytes + Candidates.Bytes;

    /// <summary>A part of the step: the copies of the best token of each row, and of its candidates where the step has them.</summary>
    public void EnqueueCopies(CudaStream stream, int first, int rows, bool hasCandidates)
    {
        stream.Copy(Device.Greedy(first, rows), _greedy, OffsetOf(first));
        if (hasCandidates)
        {
            Candidates.EnqueueCopy(stream, first, rows);
        }
    }

    /// <summary>After the step: the best token of a row among those that are here.</summary>
    /// <param name="step">Rows that were computed together.</param>
    /// <param name="row">Of those.</param>
    public GreedyPart Greedy(in ResultRows step, int row)
    {
        var offset = OffsetOf(step.First);
        var token = _greedy.Span<int>(offset, step.Padded)[row];
        var (logProb, max) = (FloatAt(offset, step.Padded + row), FloatAt(offset, (2 * step.Padded) + row));
        return new GreedyPart(token + _part.Weights.Vocabulary.First, logProb, max);
    }

    /// <summary>After the step: adds the candidates of a row that are here.</summary>
    /// <param name="step">Rows that were computed together, with candidates.</param>
    /// <param name="row">Of those.</param>
    /// <param name="to">Has those of the parts before.</param>
    public void Merge(in ResultRows step, int row, CandidateRow to) =>
        to.Merge(Candidates.Tokens(step, row), Candidates.Logits(step, row), _part.Weights.Vocabulary.First);

    /// <summary>Brings rows of logits to the host, when the stream has come so far.</summary>
    /// <param name="first">Row of the device.</param>
    /// <param name="count">Rows.</param>
    /// <param name="to">Whole rows of the vocabulary.</param>
    /// <param name="toRow">The first of them.</param>
    /// <param name="vocabulary">Tokens of all parts.</param>
    public void EnqueueRows(int first, int count, PinnedMemory to, int toRow, int vocabulary)
    {
        _part.Device.MakeCurrent();
        var logits = Device.Logits(first, count);
        if (logits.Columns == vocabulary)
        {
            _part.Stream.Copy(logits.AsVector(), to, (long)toRow * vocabulary * sizeof(float));
            return;
        }

        for (var row = 0; row < count; row++)
        {
            _part.Stream.Copy(logits.Row(row).AsVector(), to, (((long)(toRow + row) * vocabulary) + _part.Weights.Vocabulary.First) * sizeof(float));
        }
    }

    public void Dispose()
    {
        _greedy.Dispose();
        Candidates.Dispose();
        Device.Dispose();
    }

    private static long OffsetOf(int row) => (long)row * GreedyRow.Length * sizeof(int);

    private float FloatAt(long offset, int index) => _greedy.Span<float>(offset + ((long)index * sizeof(float)), 1)[0];
}

/// <summary>Rows of results that one step has computed.</summary>
/// <param name="Index">Of the first, as the batch counts.</param>
/// <param name="Count">Wanted.</param>
/// <param name="First">Row on the device.</param>
/// <param name="Padded">With padding.</param>
internal readonly record struct ResultRows(int Index, int Count, int First, int Padded);
