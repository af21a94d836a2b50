using Loire.Cuda.Native;

namespace Loire.Cuda;

/// <summary>Host memory that does not move: copies from and to it run beside kernels.</summary>
public sealed class PinnedMemory : IDisposable
{
    private readonly PinnedMemoryHandle _handle;

    internal PinnedMemory(PinnedMemoryHandle handle, long bytes)
    {
        _handle = handle;
        Bytes = bytes;
    }

    public long Bytes { get; }

    internal nint Address
    {
        get
        {
            ObjectDisposedException.ThrowIf(_handle.IsClosed, this);
            return _handle.DangerousGetHandle();
        }
    }

    /// <param name="offset">In bytes.</param>
    /// <param name="count">In elements.</param>
    public unsafe Span<T> Span<T>(long offset, int count)
        where T : unmanaged
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(offset, Bytes - ((long)count * sizeof(T)));
        return new Span<T>((byte*)Address + offset, count);
    }

    public void Dispose() => _handle.Dispose();
}
