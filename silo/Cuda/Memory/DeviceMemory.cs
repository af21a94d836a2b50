using Loire.Cuda.Native;

namespace Loire.Cuda;

/// <summary>Memory of a device, from cuMemAlloc: never managed, never moved. Its owner frees it when no work uses it any more.</summary>
public sealed class DeviceMemory : IDisposable
{
    private readonly DeviceMemoryHandle _handle;

    internal DeviceMemory(CudaDevice device, DeviceMemoryHandle handle, long bytes)
    {
        Device = device;
        _handle = handle;
        Bytes = bytes;
    }

    public CudaDevice Device { get; }

    public long Bytes { get; }

    /// <exception cref="ObjectDisposedException">It has been freed.</exception>
    public ulong Address
    {
        get
        {
            ObjectDisposedException.ThrowIf(_handle.IsClosed, this);
            return (ulong)_handle.DangerousGetHandle();
        }
    }

    /// <summary>All of it, as whole elements.</summary>
    public unsafe DeviceVector<T> AsVector<T>()
        where T : unmanaged => new(Address, Bytes / sizeof(T));

    public void Dispose() => _handle.Dispose();
}
