using Loire.Cuda.Native;

namespace Loire.Cuda;

/// <summary>A queue of work of one device: kernels and copies run in the order in which they are enqueued.</summary>
/// <remarks>The thread that enqueues has made the device current. Errors of a kernel are told by a later call: <see cref="Synchronize"/> at the latest.</remarks>
public sealed class CudaStream : IDisposable
{
    internal CudaStream(CudaDevice device, CuStreamHandle handle, string name)
    {
        Device = device;
        Handle = handle;
        Name = name;
    }

    public CudaDevice Device { get; }

    public string Name { get; }

    internal CuStreamHandle Handle { get; }

    /// <summary>Waits until all that was enqueued is done.</summary>
    /// <exception cref="CudaException">A kernel or a copy has failed.</exception>
    public void Synchronize() => Check(Driver.StreamSynchronize(Handle), "The work on the stream");

    /// <summary>Whether all that was enqueued is done. Does not wait.</summary>
    public bool IsIdle()
    {
        var result = Driver.StreamQuery(Handle);
        if (result is CuResult.NotReady)
        {
            return false;
        }

        Check(result, "The work on the stream");
        return true;
    }

    public void Record(CudaEvent recorded) => Check(Driver.EventRecord(recorded.Handle, Handle), "cuEventRecord");

    /// <summary>What is enqueued from here on runs after the event's work, which may be another stream's or device's.</summary>
    public void Wait(CudaEvent awaited) => Check(Driver.StreamWaitEvent(Handle, awaited.Handle, 0), "cuStreamWaitEvent");

    /// <summary>Copies to the device; the pinned memory stays as it is until that is done.</summary>
    /// <param name="from">Source.</param>
    /// <param name="offset">Of the source, in bytes.</param>
    /// <param name="to">All of it is written.</param>
    public unsafe void Copy<T>(PinnedMemory from, long offset, DeviceVector<T> to)
        where T : unmanaged
    {
        CheckRange(from, offset, to.Bytes);
        Check(Driver.CopyToDevice(to.Address, (byte*)from.Address + offset, (nuint)to.Bytes, Handle), $"A copy of {ByteText.Of(to.Bytes)} to the device");
    }

    /// <summary>Copies to the host; the pinned memory holds it when the stream has come so far.</summary>
    public unsafe void Copy<T>(DeviceVector<T> from, PinnedMemory to, long offset)
        where T : unmanaged
    {
        CheckRange(to, offset, from.Bytes);
        Check(Driver.CopyToHost((byte*)to.Address + offset, from.Address, (nuint)from.Bytes, Handle), $"A copy of {ByteText.Of(from.Bytes)} to the host");
    }

    /// <summary>Copies on the device.</summary>
    public void Copy<T>(DeviceVector<T> from, DeviceVector<T> to)
        where T : unmanaged
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(to.Length, from.Length);
        Check(Driver.CopyOnDevice(to.Address, from.Address, (nuint)from.Bytes, Handle), $"A copy of {ByteText.Of(from.Bytes)} on the device");
    }

    /// <summary>Copies to another device's memory, over their link.</summary>
    public void CopyToPeer<T>(DeviceVector<T> from, CudaDevice peer, DeviceVector<T> to)
        where T : unmanaged
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(to.Length, from.Length);
        Check(
            Driver.CopyToPeer(to.Address, peer.Context.DangerousGetHandle(), from.Address, Device.Context.DangerousGetHandle(), (nuint)from.Bytes, Handle),
            $"A copy of {ByteText.Of(from.Bytes)} to GPU {peer.Ordinal}");
    }

    /// <summary>Copies from ordinary memory. Returns when the source may change.</summary>
    public unsafe void Upload<T>(ReadOnlySpan<T> from, DeviceVector<T> to)
        where T : unmanaged
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(to.Length, from.Length);
        fixed (T* source = from)
        {
            Check(Driver.CopyToDevice(to.Address, source, (nuint)to.Bytes, Handle), $"A copy of {ByteText.Of(to.Bytes)} to the device");
            Synchronize();
        }
    }

    /// <summary>Copies to ordinary memory, after all that was enqueued before. Returns when it is there.</summary>
    public unsafe void Download<T>(DeviceVector<T> from, Span<T> to)
        where T : unmanaged
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(to.Length, from.Length);
        fixed (T* target = to)
        {
            Check(Driver.CopyToHost(target, from.Address, (nuint)from.Bytes, Handle), $"A copy of {ByteText.Of(from.Bytes)} to the host");
            Synchronize();
        }
    }

    public void Fill<T>(DeviceVector<T> to, byte value)
        where T : unmanaged =>
        Check(Driver.Fill8(to.Address, value, (nuint)to.Bytes, Handle), $"A fill of {ByteText.Of(to.Bytes)}");

    public void Fill(DeviceVector<int> to, int value) =>
        Check(Driver.Fill32(to.Address, (uint)value, (nuint)to.Length, Handle), $"A fill of {ByteText.Of(to.Bytes)}");

    public void Dispose() => Handle.Dispose();

    private static void CheckRange(PinnedMemory memory, long offset, long bytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(offset, memory.Bytes - bytes);
    }

    private void Check(CuResult result, string operation)
    {
        if (result != CuResult.Success)
        {
            throw new CudaException(result, $"{operation} '{Name}'", Device.Ordinal);
        }
    }
}
