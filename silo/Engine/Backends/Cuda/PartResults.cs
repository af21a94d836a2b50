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

    /// <summary>Copies of what each row's token is chosen from, and of those that are chosen here, beside the steps that come next.</summary>
    public void EnqueueCopies(int first, int rows, bool hasCandidates)
    {
        _part.Downloads.Copy(Device.Greedy(first, rows), _greedy, OffsetOf(first));
        if (hasCandidates)
        {
            Candidates.EnqueueCopy(_part.Downloads, first, rows);
        }
    }

    /// <summary>What a choice from all parts needs of this one.</summary>
    /// <param name="first">Row of the results where the step's begin.</param>
    /// <param name="rows">Of the step.</param>
    /// <param name="hasCandidates">Of the step.</param>
    public ChoicePart OfChoice(int first, int rows, bool hasCandidates)
    {
        var (tokens, logits) = hasCandidates ? Candidates.Found(first, rows) : default;
        return new ChoicePart(Device.GreedyTokens(first, rows), Device.GreedyLogProbs(first, rows), Device.GreedyMaxima(first, rows), tokens, logits, _part.Weights.Vocabulary.First);
    }

    /// <summary>What a draw from the whole rows of all parts needs of this one.</summary>
    /// <param name="first">Row of the results where the step's begin.</param>
    /// <param name="rows">Of the step.</param>
    public DrawPart OfDraw(int first, int rows) =>
        new(Device.Logits(first, rows), Device.GreedyLogProbs(first, rows), Device.GreedyMaxima(first, rows), _part.Weights.Vocabulary.First);

    /// <summary>Chooses the tokens of a step's rows from the results of all parts.</summary>
    /// <param name="parts">Of the stage, this one first; their results are complete when the stream comes here.</param>
    /// <param name="choices">How.</param>
    /// <param name="first">Row of the results where the step's begin.</param>
    /// <param name="form">Of the step.</param>
    /// <param name="vocabulary">Tokens of all parts.</param>
    public void EnqueueChoice(ReadOnlySpan<CudaPart> parts, DeviceVector<int> choices, int first, in StepForm form, int vocabulary)
    {
        var (rows, hasCandidates) = (form.LogitsRows, form.HasCandidates);
        var (chosen, carried) = (Device.Chosen(first, rows), _part.Carried.AsVector<int>().Slice(first, rows));
        ChoicePart[] of = [.. parts.ToArray().Select(part => part.Results!.OfChoice(first, rows, hasCandidates))]; // all are of the last stage
        _part.Kernels.Choice.Enqueue(_part.Stream, choices, of, rows, vocabulary, chosen, carried);
        if (hasCandidates && RowDraw.Fits(vocabulary))
        {
            DrawPart[] whole = [.. parts.ToArray().Select(part => part.Results!.OfDraw(first, rows))];
            _part.Kernels.Draw.Enqueue(_part.Stream, choices, whole, rows, vocabulary, chosen, carried);
        }
    }

    /// <summary>After the step: the token that <see cref="EnqueueChoice"/> has chosen for a row; −1: none.</summary>
    public int Chosen(in ResultRows step, int row) => _greedy.Span<int>(OffsetOf(step.First) + ((3L * step.Padded) + row) * sizeof(int), 1)[0];

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

    /// <summary>After the step: brings rows of logits to the host, beside steps that run.</summary>
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
            _part.Transfers.Copy(logits.AsVector(), to, (long)toRow * vocabulary * sizeof(float));
            return;
        }

        for (var row = 0; row < count; row++)
        {
            _part.Transfers.Copy(logits.Row(row).AsVector(), to, (((long)(toRow + row) * vocabulary) + _part.Weights.Vocabulary.First) * sizeof(float));
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
