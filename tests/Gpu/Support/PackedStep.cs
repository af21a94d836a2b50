using Loire.Kernels;

namespace Loire.Gpu.Tests;

/// <summary>The integers of a step on the device, for sequences packed one after the other; slots and pages are dealt in no order.</summary>
public sealed class PackedStep : IDisposable
{
    private const int PageTokens = PagedLayer.PageTokens;
    private readonly DeviceBuffer<int>[] _buffers;

    /// <param name="gpu">Where to.</param>
    /// <param name="sequences">Start position and rows of each.</param>
    public PackedStep(Gpu gpu, params (int Start, int Rows)[] sequences)
    {
        Sequences = sequences;
        var random = new Random(11);
        Slots = [.. Enumerable.Range(0, sequences.Length + 1)];
        random.Shuffle(Slots);
        PagesOfSequence = sequences.Max(sequence => (sequence.Start + sequence.Rows + PageTokens - 1) / PageTokens) + 1;
        PageCount = (sequences.Length * PagesOfSequence) + 1;
        Pages = [.. Enumerable.Range(0, PageCount)];
        random.Shuffle(Pages);
        Pages = Pages[..(sequences.Length * PagesOfSequence)];
        FirstRows = [.. sequences.Select((_, i) => sequences.Take(i).Sum(sequence => sequence.Rows))];
        Positions = [.. sequences.SelectMany(sequence => Enumerable.Range(sequence.Start, sequence.Rows))];
        SequenceOfRow = [.. sequences.SelectMany((sequence, i) => Enumerable.Repeat(i, sequence.Rows))];
        _buffers =
        [
            gpu.Upload(Positions), gpu.Upload(SequenceOfRow), gpu.Upload(FirstRows), gpu.Upload(sequences.Select(sequence => sequence.Rows).ToArray()),
            gpu.Upload(Slots[..sequences.Length]), gpu.Upload(Pages, sequences.Length, PagesOfSequence),
        ];
        Inputs = new StepInputs
        {
            Rows = Positions.Length,
            Sequences = sequences.Length,
            IsDecode = sequences.All(sequence => sequence.Rows == 1),
            Positions = _buffers[0].Vector,
            SequenceOfRow = _buffers[1].Vector,
            FirstRow = _buffers[2].Vector,
            RowCount = _buffers[3].Vector,
            Slot = _buffers[4].Vector,
            PageTable = _buffers[5].Matrix,
        };
    }

    public StepInputs Inputs { get; }

    public (int Start, int Rows)[] Sequences { get; }

    public int Rows => Positions.Length;

    /// <summary>Slots of the device: one more than sequences.</summary>
    public int SlotCount => Sequences.Length + 1;

    public int[] Slots { get; }

    public int[] FirstRows { get; }

    public int[] Positions { get; }

    public int[] SequenceOfRow { get; }

    public int PageCount { get; }

    public int PagesOfSequence { get; }

    private int[] Pages { get; }

    public int PageOf(int sequence, int position) => Pages[(sequence * PagesOfSequence) + (position / PageTokens)];

    /// <summary>Index of the first channel of a token in a layer's keys or values.</summary>
    public int Offset(int sequence, int position, int head, int heads, int headDim) =>
        ((((PageOf(sequence, position) * heads) + head) * PageTokens) + (position % PageTokens)) * headDim;

    public void Dispose()
    {
        foreach (var buffer in _buffers)
        {
            buffer.Dispose();
        }
    }
}
