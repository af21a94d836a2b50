using Loire.Cuda;
using Loire.Kernels;

namespace Loire.Gpu.Tests;

/// <summary>The first GPU, for a class of tests: <c>public sealed class LinearTests(Gpu gpu) : IClassFixture&lt;Gpu&gt;</c>.</summary>
/// <remarks>Opened at the first use, so that a class of skipped tests needs none. Its disposal fails when a test has left a buffer behind.</remarks>
public sealed class Gpu : IDisposable
{
    private static readonly Lazy<CudaDevice> s_device = new(() => CudaDevice.Open(0));
    private static readonly Lazy<CudaStream> s_stream = new(() => s_device.Value.NewStream("tests"));
    private static readonly Dictionary<(string Name, ElementType Type, string Defines), CudaModule> s_modules = [];
    private static readonly Lazy<CublasLt> s_products = new(() => new CublasLt(s_device.Value));
    private int _live;

    public CudaDevice Device
    {
        get
        {
            s_device.Value.MakeCurrent();
            return s_device.Value;
        }
    }

    public CudaStream Stream
    {
        get
        {
            Device.MakeCurrent();
            return s_stream.Value;
        }
    }

    public CublasLt Products => s_products.Value;

    /// <summary>A module of silo/Kernels, compiled once a process.</summary>
    public CudaModule Module(string name, ElementType type, params string[] defines)
    {
        var key = (name, type, string.Join(' ', defines));
        if (!s_modules.TryGetValue(key, out var module))
        {
            s_modules[key] = module = Device.Compile(KernelSources.Of(name, type, defines));
        }

        return module;
    }

    /// <summary>A line for each kernel that has been used: registers, and bytes that did not fit them.</summary>
    public IEnumerable<string> Kernels =>
        from pair in s_modules
        from figures in pair.Value.Figures
        orderby pair.Key.Name, pair.Key.Type, figures.Name
        select $"{pair.Key.Name,-18} {pair.Key.Type,-9} {pair.Key.Defines,-20} {figures.Name,-36} {figures.Registers,4} registers {figures.SpillBytes,5} bytes spilled";

    public DeviceBuffer<T> Upload<T>(ReadOnlySpan<T> values, long rows, long columns)
        where T : unmanaged
    {
        var buffer = Poisoned<T>(rows, columns);
        Stream.Upload(values, buffer.Vector);
        return buffer;
    }

    public DeviceBuffer<T> Upload<T>(T[] values, long rows, long columns)
        where T : unmanaged => Upload<T>(values.AsSpan(), rows, columns);

    public DeviceBuffer<T> Upload<T>(T[] values)
        where T : unmanaged => Upload<T>(values.AsSpan(), 1, values.Length);

    /// <summary>Uploads numbers as the element type's own: fp32 as they are, bf16 rounded.</summary>
    public DeviceBuffer<byte> Upload(float[] values, ElementType type) =>
        type is ElementType.BFloat16
            ? Upload<byte>(System.Runtime.InteropServices.MemoryMarshal.AsBytes(Numbers.AsBFloat16(values).AsSpan()), 1, values.Length * 2L)
            : Upload<byte>(System.Runtime.InteropServices.MemoryMarshal.AsBytes(values.AsSpan()), 1, values.Length * 4L);

    /// <summary>Every bit is set: NaN as fp32 and bf16, -1 as an integer. What a kernel does not write shows.</summary>
    public DeviceBuffer<T> Poisoned<T>(long rows, long columns)
        where T : unmanaged
    {
        var buffer = new DeviceBuffer<T>(this, rows, columns);
        _live++;
        return buffer;
    }

    internal void Forget() => _live--;

    public void Dispose()
    {
        if (_live != 0)
        {
            throw new InvalidOperationException($"{_live} device buffers were not disposed.");
        }
    }
}
