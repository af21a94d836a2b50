using Loire.Cuda;
using Loire.Engine.Sampling;

namespace Loire.Engine.Backends.Cuda;

/// <summary>Results of the last step on the host: the best token of each row at once, whole rows of logits only when somebody wants them.</summary>
internal sealed class LogitsReader : IDisposable
{
    private readonly CudaStream _stream;
    private readonly CudaBuffers _buffers;
    private readonly PinnedMemory _greedy;
    private readonly PinnedMemory _rows;
    private readonly bool[] _isHere;
    private int _count;
    private int _padded;

    public LogitsReader(CudaDevice device, CudaStream stream, CudaBuffers buffers, int rows)
    {
        _stream = stream;
        _buffers = buffers;
        _isHere = new bool[rows];
        _greedy = device.AllocatePinned((long)rows * (sizeof(int) + sizeof(float)), "sampled tokens");
        _rows = device.AllocatePinned((long)rows * buffers.VocabularySize * sizeof(float), "logits");
    }

    /// <summary>A part of the step: the copy of the best tokens.</summary>
    public void EnqueueGreedy(CudaStream stream, int rows) => stream.Copy(_buffers.GreedyResults(rows), _greedy, 0);

    /// <summary>A step of that many rows has been enqueued.</summary>
    /// <param name="count">Rows whose logits are wanted.</param>
    /// <param name="padded">With padding.</param>
    public void Begin(int count, int padded)
    {
        _count = count;
        _padded = padded;
        Array.Clear(_isHere);
    }

    /// <summary>After the step: the greatest logit's token, the lowest among equals.</summary>
    public TokenLogProb Greedy(int index)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)index, (uint)_count, nameof(index));
        return new TokenLogProb(_greedy.Span<int>(0, _count)[index], _greedy.Span<float>((long)_padded * sizeof(int), _count)[index]);
    }

    /// <summary>After the step, until the next one.</summary>
    public ReadOnlySpan<float> Read(int index)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)index, (uint)_count, nameof(index));
        var vocabulary = _buffers.VocabularySize;
        var offset = (long)index * vocabulary * sizeof(float);
        if (!_isHere[index])
        {
            // The rows after it are wanted as well, as a rule: few copies are quicker than many.
            var last = Math.Min(_count, index + 16);
            _stream.Copy(_buffers.Logits(_count).Slice(index, last - index).AsVector(), _rows, offset);
            _stream.Synchronize();
            _isHere.AsSpan(index, last - index).Fill(true);
        }

        return _rows.Span<float>(offset, vocabulary);
    }

    public void Dispose()
    {
        _greedy.Dispose();
        _rows.Dispose();
    }
}
