using System.Buffers;

namespace Loire.Silo.Replicas;

/// <summary>One rented block of memory, handed out piece by piece.</summary>
internal sealed class BlobBuffer(int capacity) : IDisposable
{
    private byte[]? _block = ArrayPool<byte>.Shared.Rent(capacity);
    private int _used;

    public Memory<byte> Take(int length)
    {
        ObjectDisposedException.ThrowIf(_block is null, this);
        var piece = _block.AsMemory(_used, length);
        _used += length;
        return piece;
    }

    public void Dispose()
    {
        if (Interlocked.Exchange(ref _block, null) is { } block)
        {
            ArrayPool<byte>.Shared.Return(block);
        }
    }
}
