using Loire.Cuda.Native;

namespace Loire.Cuda;

/// <summary>Work recorded once and launched many times: a launch of the whole costs about what one kernel's does.</summary>
/// <remarks>It keeps addresses and sizes as they were at the capture: whoever changes those captures anew and updates.</remarks>
public sealed class CudaGraph : IDisposable
{
    private readonly CudaDevice _device;
    private readonly CuGraphHandle _executable;

    private CudaGraph(CudaDevice device, CuGraphHandle executable, int nodes)
    {
        _device = device;
        _executable = executable;
        Nodes = nodes;
    }

    /// <summary>Kernels, copies and fills in it.</summary>
    public int Nodes { get; }

    /// <summary>Records what the action enqueues on the stream. Nothing runs. The action neither allocates, nor synchronises, nor uses another stream.</summary>
    public static CudaGraph Capture(CudaStream stream, Action enqueue)
    {
        var graph = Record(stream, enqueue);
        try
        {
            CudaException.ThrowIfFailed(Driver.GraphInstantiate(out var executable, graph, 0), "cuGraphInstantiate", stream.Device.Ordinal);
            return new CudaGraph(stream.Device, new CuGraphHandle(stream.Device.Context, executable), CountNodes(graph));
        }
        finally
        {
            _ = Driver.GraphDestroy(graph);
        }
    }

    public void Launch(CudaStream stream)
    {
        var result = Driver.GraphLaunch(_executable, stream.Handle);
        if (result != CuResult.Success)
        {
            throw new CudaException(result, $"cuGraphLaunch(on stream '{stream.Name}')", _device.Ordinal);
        }
    }

    /// <summary>Takes the parameters of newly recorded work of the same form.</summary>
    /// <returns>False, and it is as it was: the form differs. Capture a new graph.</returns>
    public bool TryUpdate(CudaStream stream, Action enqueue)
    {
        var graph = Record(stream, enqueue);
        try
        {
            var result = Driver.GraphUpdate(_executable, graph, out _);
            if (result is CuResult.GraphExecUpdateFailure)
            {
                return false;
            }

            CudaException.ThrowIfFailed(result, "cuGraphExecUpdate", _device.Ordinal);
            return true;
        }
        finally
        {
            _ = Driver.GraphDestroy(graph);
        }
    }

    public void Dispose() => _executable.Dispose();

    private static nint Record(CudaStream stream, Action enqueue)
    {
        const int ThisThread = 1; // other threads go on to allocate and synchronise
        CudaException.ThrowIfFailed(Driver.StreamBeginCapture(stream.Handle, ThisThread), $"cuStreamBeginCapture(of stream '{stream.Name}')", stream.Device.Ordinal);
        nint graph = 0;
        try
        {
            enqueue();
        }
        catch
        {
            _ = Driver.StreamEndCapture(stream.Handle, out graph);
            if (graph != 0)
            {
                _ = Driver.GraphDestroy(graph);
            }

            throw;
        }

        CudaException.ThrowIfFailed(Driver.StreamEndCapture(stream.Handle, out graph), $"cuStreamEndCapture(of stream '{stream.Name}')", stream.Device.Ordinal);
        return graph;
    }

    private static unsafe int CountNodes(nint graph)
    {
        nuint count = 0;
        return Driver.GraphGetNodes(graph, null, ref count) == CuResult.Success ? (int)count : 0;
    }
}
