using Loire.Cuda;

namespace Loire.Kernels;

/// <summary>What blocks of a streaming kernel leave for each other: sums of tiles that several of them share, and how many have arrived.</summary>
/// <remarks>One for each stream of a device; kernels of one stream use it one after the other. The counts are zero between two kernels.</remarks>
public sealed class StreamWorkspace : IDisposable
{
    /// <summary>The kernels' own numbers: Stream.cuh.</summary>
    internal const int Threads = 128;

    internal const int MostSharedBytes = 102 * 1024;

    private const int TileFloats = 128 * 64; // at most
    private const int TilesOfWorker = 2; // that it shares with others
    private const int MostBlocksEach = 4;

    private readonly DeviceMemory _partials;
    private readonly DeviceMemory _arrivals;
    private readonly int _mostWorkers;

    public StreamWorkspace(CudaDevice device, CudaStream stream)
    {
        Device = device;
        _mostWorkers = device.Multiprocessors * MostBlocksEach;
        _partials = device.Allocate((long)_mostWorkers * TilesOfWorker * TileFloats * sizeof(float), "partial sums of products");
        _arrivals = device.Allocate((long)_mostWorkers * sizeof(int), "partial sums of products");
        stream.Fill(_arrivals.AsVector<int>(), 0);
    }

    public CudaDevice Device { get; }

    /// <summary>Whether a block of the GPU has the shared memory that the streaming kernels ask for.</summary>
    public bool IsUsable => Device.SharedMemoryPerBlock >= MostSharedBytes && Device.ComputeMajor >= 8;

    internal ulong Partials => _partials.Address;

    internal long PartialFloats => _partials.Bytes / sizeof(float);

    internal ulong Arrivals => _arrivals.Address;

    public void Dispose()
    {
        _partials.Dispose();
        _arrivals.Dispose();
    }

    /// <summary>Blocks that run at once: each takes an equal run of the work.</summary>
    internal int WorkersOf<T>(CudaFunction<T> function, int sharedBytes)
        where T : unmanaged =>
        Math.Min(_mostWorkers, Device.Multiprocessors * Math.Max(1, function.BlocksPerMultiprocessor(Threads, sharedBytes)));
}
