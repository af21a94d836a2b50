using Loire.Cuda.Native;

namespace Loire.Cuda;

/// <summary>A mark in a stream: others wait for it, and two of them measure the time between.</summary>
public sealed class CudaEvent : IDisposable
{
    private readonly CudaDevice _device;

    internal CudaEvent(CudaDevice device, CuEventHandle handle)
    {
        _device = device;
        Handle = handle;
    }

    internal CuEventHandle Handle { get; }

    /// <summary>Whether the stream has come past it. True of one that was never recorded.</summary>
    public bool IsReached()
    {
        var result = Driver.EventQuery(Handle);
        if (result is not CuResult.NotReady)
        {
            CudaException.ThrowIfFailed(result, "The work before an event", _device.Ordinal);
        }

        return result is CuResult.Success;
    }

    public void Synchronize() => CudaException.ThrowIfFailed(Driver.EventSynchronize(Handle), "The work before an event", _device.Ordinal);

    /// <summary>From <paramref name="start"/> to this one, by the device's clock. Both made with timing and reached.</summary>
    public TimeSpan Since(CudaEvent start)
    {
        CudaException.ThrowIfFailed(Driver.EventElapsedTime(out var milliseconds, start.Handle, Handle), "cuEventElapsedTime", _device.Ordinal);
        return TimeSpan.FromTicks((long)(milliseconds * TimeSpan.TicksPerMillisecond));
    }

    public void Dispose() => Handle.Dispose();
}
