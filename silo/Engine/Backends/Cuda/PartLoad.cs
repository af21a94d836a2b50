using Loire.Cuda;
using Loire.Engine.Replica;

namespace Loire.Engine.Backends.Cuda;

/// <summary>How many rows have chosen each expert in a part's layers, all layers together: counted on the device by the routers of its steps.</summary>
/// <remarks>
/// Every part of a stage routes all rows, so it counts for all experts of its layers, not only for those that it has.
/// Reading waits for no step: it is a copy on a stream of its own, and has at least what the steps have counted that have landed.
/// </remarks>
internal sealed class PartLoad : IDisposable
{
    private readonly CudaDevice _device;
    private readonly CudaStream _stream;
    private readonly DeviceMemory _counts;
    private readonly PinnedMemory _host;

    /// <param name="device">Where steps run.</param>
    /// <param name="experts">Of the layer that has the most.</param>
    public PartLoad(CudaDevice device, int experts)
    {
        _device = device;
        _stream = device.NewStream("counts of experts");
        var bytes = Math.Max(experts, 1) * sizeof(long);
        _counts = device.Allocate(bytes, "counts of experts");
        _host = device.AllocatePinned(bytes, "counts of experts");
        Reading = new CountedLoad(experts, TryRead);
    }

    /// <summary>Where routers count. It stays there, as captured steps have the address.</summary>
    public DeviceVector<long> Counts => _counts.AsVector<long>();

    /// <summary>For any thread, and for longer than this is there.</summary>
    public CountedLoad Reading { get; }

    /// <summary>Behind what is enqueued on that stream; before it nothing is read that means anything.</summary>
    public void Clear(CudaStream steps) => steps.Fill(Counts, 0);

    public void Dispose()
    {
        Reading.Dispose();
        _stream.Dispose();
        _counts.Dispose();
        _host.Dispose();
    }

    private bool TryRead(long[] counts)
    {
        try
        {
            _device.MakeCurrent();
            _stream.Copy(Counts, _host, 0);
            _stream.Synchronize();
        }
        catch (CudaException)
        {
            return false; // the GPU is lost: the next step says so, and ends the process
        }

        _host.Span<long>(0, counts.Length).CopyTo(counts);
        return true;
    }
}
