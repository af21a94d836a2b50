using Loire.Cuda;
using Loire.Kernels;

namespace Loire.Engine.Backends.Cuda;

/// <summary>Logits of a device's part of the vocabulary, and the best token of each row.</summary>
internal sealed class ResultBuffers : IDisposable
{
    private readonly DeviceArena _arena;
    private readonly DeviceMatrix<float> _logits;
    private readonly ulong _x;
    private readonly int _bytesOfX;
    private readonly DeviceVector<int> _greedy;

    /// <param name="device">Where they are computed.</param>
    /// <param name="hidden">Of a row.</param>
    /// <param name="vocabulary">Tokens that are here.</param>
    /// <param name="type">Of the rows.</param>
    /// <param name="rows">Most of all steps whose results are there at once.</param>
    public ResultBuffers(CudaDevice device, int hidden, int vocabulary, ElementType type, int rows)
    {
        _bytesOfX = hidden * (type is ElementType.BFloat16 ? sizeof(ushort) : sizeof(float));
        var samplingBytes = GreedySampling.WorkspaceBytes(rows);
        var bytes = DeviceArena.Footprint<byte>((long)rows * _bytesOfX)
            + DeviceArena.Footprint<float>((long)rows * vocabulary)
            + DeviceArena.Footprint<int>((long)rows * GreedyRow.Length)
            + DeviceArena.Footprint<byte>(samplingBytes);
        _arena = new DeviceArena(device, bytes, $"the logits of {rows} rows", "lower Engine:Slots.");
        _x = _arena.Take<byte>((long)rows * _bytesOfX).Address;
        _logits = _arena.Take<float>(rows, vocabulary);
        _greedy = _arena.Take<int>((long)rows * GreedyRow.Length);
        Sampling = _arena.Take<byte>(samplingBytes);
    }

    public long Bytes => _arena.Bytes;

    public DeviceVector<byte> Sampling { get; }

    /// <summary>T <c>[rows, hidden]</c>: the final norm.</summary>
    public ulong X(int first) => _x + ((ulong)first * (ulong)_bytesOfX);

    public DeviceMatrix<float> Logits(int first, int rows) => _logits.Slice(first, rows);

    /// <summary>Tokens of rows that a step computes together; then, of the same rows, their log-probabilities, their greatest logits, and what is chosen of all parts' tokens: one copy to the host.</summary>
    public DeviceVector<int> Greedy(int first, int rows) => _greedy.Slice((long)first * GreedyRow.Length, (long)rows * GreedyRow.Length);

    public DeviceVector<int> GreedyTokens(int first, int rows) => Greedy(first, rows).Slice(0, rows);

    public DeviceVector<float> GreedyLogProbs(int first, int rows) => new(Greedy(first, rows).Slice(rows, rows).Address, rows);

    public DeviceVector<float> GreedyMaxima(int first, int rows) => new(Greedy(first, rows).Slice(2L * rows, rows).Address, rows);

    public DeviceVector<int> Chosen(int first, int rows) => Greedy(first, rows).Slice(3L * rows, rows);

    public void Dispose() => _arena.Dispose();
}

/// <summary>What is kept of a row's best token.</summary>
internal static class GreedyRow
{
    /// <summary>Token, log-probability, logit, chosen token: 4 bytes each.</summary>
    public const int Length = 4;
}
