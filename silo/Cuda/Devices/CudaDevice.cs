using Loire.Cuda.Native;

namespace Loire.Cuda;

/// <summary>One GPU, by its primary context. Any thread; a call makes the context current for its thread first.</summary>
/// <remarks>Whatever was made by it keeps the context alive, so the order of disposal does not matter.</remarks>
public sealed class CudaDevice : IDisposable
{
    private const string Unavailable = "Another process has the GPU for itself (nvidia-smi -q -d COMPUTE shows the mode, nvidia-smi the process), or it is failing (dmesg | grep -i xid). "
        + "End that process, or name other GPUs by --device; ops/runbooks/gpu-lost.md has the steps.";

    private readonly int _device;
    private readonly KernelCompiler _compiler;

    private CudaDevice(int ordinal, int device, ContextHandle context, GpuDescription description)
    {
        _device = device;
        Context = context;
        Ordinal = ordinal;
        Name = description.Name;
        TotalMemory = description.MemoryBytes;
        ComputeMajor = description.Compute.Major;
        ComputeMinor = description.Compute.Minor;
        Multiprocessors = CudaDriver.Attribute(device, ordinal, DeviceAttribute.Multiprocessors);
        SharedMemoryPerBlock = CudaDriver.Attribute(device, ordinal, DeviceAttribute.SharedMemoryPerBlockOptIn);
        L2Bytes = CudaDriver.Attribute(device, ordinal, DeviceAttribute.L2Bytes);
        ClockMegahertz = CudaDriver.Attribute(device, ordinal, DeviceAttribute.ClockRate) / 1000;
        _compiler = new KernelCompiler(KernelCache.OfThisUser(), Architecture);
    }

    public int Ordinal { get; }

    public string Name { get; }

    public int Multiprocessors { get; }

    /// <summary>Most that a block may ask for, in bytes.</summary>
    public int SharedMemoryPerBlock { get; }

    public int L2Bytes { get; }

    /// <summary>The highest that the device may run at.</summary>
    public int ClockMegahertz { get; }

    /// <summary>In bytes.</summary>
    public long TotalMemory { get; }

    public int ComputeMajor { get; }

    public int ComputeMinor { get; }

    /// <summary>As the compiler calls it. Hopper's and its successors' own instructions need the letter.</summary>
    public string Architecture => ComputeMajor >= 9 ? $"sm_{ComputeMajor}{ComputeMinor}a" : $"sm_{ComputeMajor}{ComputeMinor}";

    internal ContextHandle Context { get; }

    /// <param name="ordinal">As the driver counts, from 0.</param>
    /// <exception cref="CudaMissingException">There is no driver, a library is missing, or there is no such GPU.</exception>
    public static CudaDevice Open(int ordinal)
    {
        var probe = CudaDriver.Probe();
        if (probe.Refusal(ordinal) is { } refusal)
        {
            throw new CudaMissingException(refusal);
        }

        CudaException.ThrowIfFailed(Driver.DeviceGet(out var device, ordinal), "cuDeviceGet", ordinal);
        var result = Driver.PrimaryContextRetain(out var context, device);
        CudaException.ThrowIfFailed(result, "cuDevicePrimaryCtxRetain", ordinal, result is CuResult.DeviceUnavailable ? Unavailable : null);
        var handle = new ContextHandle(context, device);
        try
        {
            handle.MakeCurrent();
            return new CudaDevice(ordinal, device, handle, probe.Gpus[ordinal]);
        }
        catch
        {
            handle.Dispose();
            throw;
        }
    }

    /// <summary>For the calling thread. Calls that make or free something do it by themselves; launches do not.</summary>
    public void MakeCurrent() => Context.MakeCurrent();

    /// <summary>Bytes that nobody has, of this process or another.</summary>
    public long FreeMemory()
    {
        MakeCurrent();
        CudaException.ThrowIfFailed(Driver.MemGetInfo(out var free, out _), "cuMemGetInfo", Ordinal);
        return (long)free;
    }

    /// <param name="name">What its work is, for messages.</param>
    /// <param name="urgent">Its kernels go before those of other streams.</param>
    public CudaStream NewStream(string name = "work", bool urgent = false)
    {
        const uint NonBlocking = 1;
        MakeCurrent();
        CudaException.ThrowIfFailed(Driver.StreamCreate(out var stream, NonBlocking, urgent ? -1 : 0), $"cuStreamCreate(for {name})", Ordinal);
        return new CudaStream(this, new CuStreamHandle(Context, stream), name);
    }

    /// <param name="timing">Whether <see cref="CudaEvent.Since"/> is asked of it; events without are cheaper.</param>
    public CudaEvent NewEvent(bool timing = false)
    {
        const uint DisableTiming = 2;
        MakeCurrent();
        CudaException.ThrowIfFailed(Driver.EventCreate(out var created, timing ? 0 : DisableTiming), "cuEventCreate", Ordinal);
        return new CudaEvent(this, new CuEventHandle(Context, created));
    }

    /// <param name="bytes">At least 1.</param>
    /// <param name="what">What it is for, as in "the key-value pages": it stands in the message when there is no room.</param>
    /// <param name="remedy">What to change when there is no room.</param>
    /// <exception cref="CudaException">OutOfMemory: the message has the sizes.</exception>
    public DeviceMemory Allocate(long bytes, string what, string? remedy = null)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(bytes);
        MakeCurrent();
        var result = Driver.MemAlloc(out var address, (nuint)bytes);
        if (result is CuResult.OutOfMemory)
        {
            var room = $"{ByteText.Of(FreeMemory())} is free of {ByteText.Of(TotalMemory)}";
            throw new CudaException(result, $"cuMemAlloc({ByteText.Of(bytes)} for {what})", Ordinal, remedy is null ? $"{room}." : $"{room}; {remedy}");
        }

        CudaException.ThrowIfFailed(result, $"cuMemAlloc({ByteText.Of(bytes)} for {what})", Ordinal);
        return new DeviceMemory(this, new DeviceMemoryHandle(Context, address), bytes);
    }

    /// <summary>Host memory that the device copies from and to at full speed and beside its kernels.</summary>
    public PinnedMemory AllocatePinned(long bytes, string what)
    {
        const uint Portable = 1;
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(bytes);
        MakeCurrent();
        CudaException.ThrowIfFailed(
            Driver.MemHostAlloc(out var address, (nuint)bytes, Portable),
            $"cuMemHostAlloc({ByteText.Of(bytes)} of pinned host memory for {what})",
            Ordinal);
        return new PinnedMemory(new PinnedMemoryHandle(Context, address), bytes);
    }

    /// <summary>Compiles for this device, or takes the compiled kernel from the cache on disk.</summary>
    /// <exception cref="KernelCompileException">The compiler refuses it; the message has its log.</exception>
    public CudaModule Compile(KernelSource source)
    {
        MakeCurrent();
        return _compiler.Load(this, source);
    }

    public bool CanAccessPeer(CudaDevice peer)
    {
        CudaException.ThrowIfFailed(Driver.DeviceCanAccessPeer(out var can, _device, peer._device), $"cuDeviceCanAccessPeer(GPU {peer.Ordinal})", Ordinal);
        return can != 0;
    }

    /// <summary>Lets this device's kernels and copies reach the peer's memory. Twice is as good as once.</summary>
    public void EnablePeer(CudaDevice peer)
    {
        MakeCurrent();
        var result = Driver.ContextEnablePeerAccess(peer.Context.DangerousGetHandle(), 0);
        if (result is not CuResult.PeerAccessAlreadyEnabled)
        {
            CudaException.ThrowIfFailed(
                result,
                $"cuCtxEnablePeerAccess(GPU {peer.Ordinal})",
                Ordinal,
                result is CuResult.PeerAccessUnsupported ? "The two GPUs have no link that lets one read the other's memory." : null);
        }
    }

    public void Dispose() => Context.Dispose();

    public override string ToString() => $"GPU {Ordinal} ({Name})";
}
