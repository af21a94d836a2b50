using System.Runtime.InteropServices;
using Loire.Cuda;
using Loire.Engine.State;
using Loire.Kernels;

namespace Loire.Engine.Backends.Cuda;

/// <summary>The integers of a step: written on the host, uploaded in one copy, read by kernels; where tokens come of an earlier step, completed by the first of them.</summary>
/// <remarks>
/// <code>
/// | tokens | positions | sequence of row | first row | row count | slot | logits rows | choices | page table |
/// </code>
/// as tightly as the step's form has them, so that a decode step uploads little. Two host copies: one is filled while the other is on its way.
/// </remarks>
internal sealed class StepBlock : IDisposable
{
    private const int HostCopies = 2;

    private readonly CudaDevice _device;
    private readonly CudaStream _steps;
    private readonly CudaEvent[] _sent;
    private readonly int _scratchSlot;
    private readonly int _scratchPage;
    private DeviceMemory _memory;
    private PinnedMemory _host;
    private int _capacity;
    private int _copy;

    /// <param name="device">Where steps run.</param>
    /// <param name="steps">On which they run.</param>
    /// <param name="scratchSlot">Of padded rows.</param>
    /// <param name="scratchPage">Of padded rows.</param>
    public StepBlock(CudaDevice device, CudaStream steps, int scratchSlot, int scratchPage)
    {
        _device = device;
        _steps = steps;
        _scratchSlot = scratchSlot;
        _scratchPage = scratchPage;
        _sent = [.. Enumerable.Range(0, HostCopies).Select(_ => device.NewEvent())];
        _capacity = 1 << 18;
        _memory = device.Allocate((long)_capacity * sizeof(int), "a step's integers");
        _host = device.AllocatePinned((long)HostCopies * _capacity * sizeof(int), "a step's integers");
    }

    /// <summary>Counts up when the memory has moved: graphs captured before are of no use any more.</summary>
    public int Generation { get; private set; }

    public DeviceVector<int> Tokens(in StepForm form) => At(0, form.Rows);

    public DeviceVector<int> LogitsRows(in StepForm form) => At((3 * form.Rows) + (3 * form.Sequences), form.LogitsRows);

    /// <summary>How the token of each row of logits is chosen.</summary>
    public DeviceVector<int> Choices(in StepForm form) => At((3 * form.Rows) + (3 * form.Sequences) + form.LogitsRows, (long)form.LogitsRows * RowChoice.Length);

    /// <summary>Where kernels find it.</summary>
    public StepInputs Inputs(in StepForm form)
    {
        var sequences = 3 * form.Rows;
        return new StepInputs
        {
            Rows = form.Rows,
            Sequences = form.Sequences,
            IsDecode = form.IsDecode,
            Positions = At(form.Rows, form.Rows),
            SequenceOfRow = At(2 * form.Rows, form.Rows),
            FirstRow = At(sequences, form.Sequences),
            RowCount = At(sequences + form.Sequences, form.Sequences),
            Slot = At(sequences + (2 * form.Sequences), form.Sequences),
            PageTable = At(sequences + (3 * form.Sequences) + (form.LogitsRows * (1 + RowChoice.Length)), (long)form.Sequences * form.PageStride).AsMatrix(form.Sequences, form.PageStride),
        };
    }

    /// <summary>The first kernel of a step some of whose tokens come of earlier ones.</summary>
    public void EnqueueTake(TokenChoice kernel, CudaStream stream, in StepForm form, DeviceVector<int> carried) =>
        kernel.EnqueueTake(stream, Inputs(form), Tokens(form), carried, _scratchSlot, _scratchPage);

    /// <summary>Enqueues the upload of a batch in that form, on a stream that waits for the step that had this block before.</summary>
    public void Upload(CudaStream stream, StepBatch batch, in StepForm form)
    {
        Reserve(stream, form.Integers);
        _copy = (_copy + 1) % HostCopies;
        _sent[_copy].Synchronize();
        var offset = (long)_copy * _capacity * sizeof(int);
        Fill(_host.Span<int>(offset, form.Integers), batch, form);
        stream.Copy(_host, offset, At(0, form.Integers));
        stream.Record(_sent[_copy]);
    }

    public void Dispose()
    {
        Array.ForEach(_sent, sent => sent.Dispose());
        _memory.Dispose();
        _host.Dispose();
    }

    private DeviceVector<int> At(long first, long length) => _memory.AsVector<int>().Slice(first, length);

    private void Reserve(CudaStream stream, int integers)
    {
        if (integers <= _capacity)
        {
            return;
        }

        stream.Synchronize();
        _steps.Synchronize();
        _capacity = (int)System.Numerics.BitOperations.RoundUpToPowerOf2((uint)integers);
        Generation++;
        _memory.Dispose();
        _host.Dispose();
        _memory = _device.Allocate((long)_capacity * sizeof(int), "a step's integers");
        _host = _device.AllocatePinned((long)HostCopies * _capacity * sizeof(int), "a step's integers");
    }

    private void Fill(Span<int> block, StepBatch batch, in StepForm form)
    {
        FillRows(block, batch, form.Rows);
        FillSequences(block[(3 * form.Rows)..], batch, form);
        var logits = block.Slice((3 * form.Rows) + (3 * form.Sequences), form.LogitsRows);
        batch.LogitsRows.CopyTo(logits);
        for (var i = batch.LogitsCount; i < logits.Length; i++)
        {
            logits[i] = i; // padded decode rows are their own
        }

        var choices = MemoryMarshal.Cast<int, RowChoice>(block.Slice((3 * form.Rows) + (3 * form.Sequences) + form.LogitsRows, form.LogitsRows * RowChoice.Length));
        batch.Choices.CopyTo(choices);
        choices[batch.LogitsCount..].Clear();
        FillPages(block[((3 * form.Rows) + (3 * form.Sequences) + (form.LogitsRows * (1 + RowChoice.Length)))..], batch, form);
    }

    private static void FillRows(Span<int> block, StepBatch batch, int rows)
    {
        batch.Tokens.CopyTo(block);
        block[batch.RowCount..rows].Clear();
        batch.Positions.CopyTo(block[rows..]);
        block.Slice(rows + batch.RowCount, rows - batch.RowCount).Clear();
        batch.SequenceOfRow.CopyTo(block[(2 * rows)..]);
        for (var row = batch.RowCount; row < rows; row++)
        {
            block[(2 * rows) + row] = row;
        }
    }

    private void FillSequences(Span<int> block, StepBatch batch, in StepForm form)
    {
        for (var i = 0; i < form.Sequences; i++)
        {
            var (firstRow, rowCount, slot) = i < batch.SequenceCount
                ? (batch.Sequences[i].FirstRow, batch.Sequences[i].RowCount, batch.Sequences[i].Slot)
                : (i, 1, _scratchSlot);
            block[i] = firstRow;
            block[form.Sequences + i] = rowCount;
            block[(2 * form.Sequences) + i] = slot;
        }
    }

    private void FillPages(Span<int> block, StepBatch batch, in StepForm form)
    {
        for (var i = 0; i < form.Sequences; i++)
        {
            var row = block.Slice(i * form.PageStride, form.PageStride);
            if (i >= batch.SequenceCount)
            {
                row[0] = _scratchPage;
                continue;
            }

            var sequence = batch.Sequences[i];
            var count = Math.Min(PagePool.PagesFor(sequence.Start + sequence.RowCount), sequence.Pages.Count);
            CollectionsMarshal.AsSpan(sequence.Pages)[..count].CopyTo(row);
        }
    }
}
