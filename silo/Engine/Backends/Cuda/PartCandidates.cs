using Loire.Cuda;
using Loire.Kernels;

namespace Loire.Engine.Backends.Cuda;

/// <summary>The best tokens of each row of a part's logits: found on its device, and copied to the host with the step that asks for them.</summary>
/// <remarks>Of rows that a step computes together there are first all tokens, then all logits: one copy.</remarks>
internal sealed class PartCandidates : IDisposable
{
    /// <summary>Best tokens of a row.</summary>
    public const int Count = TopCandidates.MostCount;

    private readonly DeviceArena _arena;
    private readonly DeviceVector<int> _found;
    private readonly DeviceVector<byte> _workspace;
    private readonly PinnedMemory _host;

    /// <param name="device">Where the logits are.</param>
    /// <param name="vocabulary">Tokens that are there.</param>
    /// <param name="rows">Most of all steps whose results are there at once.</param>
    public PartCandidates(CudaDevice device, int vocabulary, int rows)
    {
        var length = 2L * rows * Count;
        var workspaceBytes = TopCandidates.WorkspaceBytes(rows, vocabulary, Count);
        _arena = new DeviceArena(
            device, DeviceArena.Footprint<int>(length) + DeviceArena.Footprint<byte>(workspaceBytes), $"the best tokens of {rows} rows", "lower Engine:Slots.");
        try
        {
            _found = _arena.Take<int>(length);
            _workspace = _arena.Take<byte>(workspaceBytes);
            _host = device.AllocatePinned(length * sizeof(int), "the best tokens of rows");
        }
        catch
        {
            _arena.Dispose();
            throw;
        }
    }

    public long Bytes => _arena.Bytes;

    /// <param name="kernel">Of the device.</param>
    /// <param name="stream">On which the logits are computed.</param>
    /// <param name="logits">Of the rows of a step.</param>
    /// <param name="first">Row of the results where they begin.</param>
    public void Enqueue(TopCandidates kernel, CudaStream stream, DeviceMatrix<float> logits, int first)
    {
        var (tokens, best) = Found(first, logits.Rows);
        kernel.Enqueue(stream, logits, tokens, best, _workspace);
    }

    /// <summary>On the device: tokens and logits <c>[rows, Count]</c> of a step's rows.</summary>
    public (DeviceMatrix<int> Tokens, DeviceMatrix<float> Logits) Found(int first, long rows)
    {
        var (found, length) = (FoundOf(first, rows), rows * Count);
        return (found.Slice(0, length).AsMatrix(rows, Count), new DeviceVector<float>(found.Slice(length, length).Address, length).AsMatrix(rows, Count));
    }

    /// <summary>The copy to the host.</summary>
    public void EnqueueCopy(CudaStream stream, int first, int rows) => stream.Copy(FoundOf(first, rows), _host, OffsetOf(first));

    /// <summary>After the step: best first, in the numbers of the part; −1 where it has no more.</summary>
    /// <param name="step">Rows that were computed together.</param>
    /// <param name="row">Of those.</param>
    public ReadOnlySpan<int> Tokens(in ResultRows step, int row) => _host.Span<int>(OffsetOf(step.First), 2 * Count * step.Padded).Slice(row * Count, Count);

    /// <summary>Theirs.</summary>
    public ReadOnlySpan<float> Logits(in ResultRows step, int row) => _host.Span<float>(OffsetOf(step.First), 2 * Count * step.Padded).Slice((step.Padded + row) * Count, Count);

    public void Dispose()
    {
        _host.Dispose();
        _arena.Dispose();
    }

    private DeviceVector<int> FoundOf(int first, long rows) => _found.Slice(2L * first * Count, 2 * rows * Count);

    private static long OffsetOf(int first) => 2L * first * Count * sizeof(int);
}
