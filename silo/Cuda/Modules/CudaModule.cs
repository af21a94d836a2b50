using System.Collections.Concurrent;
using Loire.Cuda.Native;

namespace Loire.Cuda;

/// <summary>Compiled kernels of one source, loaded on one device.</summary>
public sealed class CudaModule : IDisposable
{
    private readonly CuModuleHandle _handle;
    private readonly ConcurrentDictionary<string, object> _functions = new(StringComparer.Ordinal);

    private CudaModule(CudaDevice device, string name, CuModuleHandle handle)
    {
        Device = device;
        Name = name;
        _handle = handle;
    }

    public CudaDevice Device { get; }

    /// <summary>Of its source.</summary>
    public string Name { get; }

    internal static CudaModule Load(CudaDevice device, string name, byte[] cubin)
    {
        CudaException.ThrowIfFailed(LoadData(cubin, out var module), $"cuModuleLoadData({name}, {cubin.Length} bytes)", device.Ordinal);
        return new CudaModule(device, name, new CuModuleHandle(device.Context, module));
    }

    /// <summary>Null: the bytes are no module that this device takes, as a damaged file of the cache.</summary>
    internal static CudaModule? TryLoad(CudaDevice device, string name, byte[] cubin) =>
        LoadData(cubin, out var module) == CuResult.Success ? new CudaModule(device, name, new CuModuleHandle(device.Context, module)) : null;

    /// <typeparam name="T">Twin of the kernel's one parameter.</typeparam>
    /// <param name="name">Of the kernel, <c>extern "C"</c>.</param>
    /// <param name="maxDynamicSharedBytes">Most that a launch asks for; above 48 KiB the driver has to know before.</param>
    /// <exception cref="InvalidOperationException">The kernel's parameter has another size than <typeparamref name="T"/>, or there is more than one.</exception>
    public CudaFunction<T> Function<T>(string name, int maxDynamicSharedBytes = 0)
        where T : unmanaged
    {
        var function = (CudaFunction<T>)_functions.GetOrAdd(name, _ => Open<T>(name));
        function.Allow(maxDynamicSharedBytes);
        return function;
    }

    /// <summary>Of the functions that have been asked for.</summary>
    public IEnumerable<KernelFigures> Figures => _functions.Values.Cast<IKernelFigures>().Select(function => function.Figures);

    public void Dispose() => _handle.Dispose();

    private CudaFunction<T> Open<T>(string name)
        where T : unmanaged
    {
        Device.MakeCurrent();
        CudaException.ThrowIfFailed(Driver.ModuleGetFunction(out var function, _handle, name), $"cuModuleGetFunction({name} of {Name})", Device.Ordinal);
        CheckParameter<T>(function, name);
        return new CudaFunction<T>(this, function, name);
    }

    private unsafe void CheckParameter<T>(nint function, string name)
        where T : unmanaged
    {
        var result = Driver.FunctionGetParameter(function, 0, out _, out var size);
        CudaException.ThrowIfFailed(result, $"cuFuncGetParamInfo({name})", Device.Ordinal, CudaException.IsStickyResult(result) ? null : "It needs driver 550 or later.");
        if (size != (nuint)sizeof(T) || Driver.FunctionGetParameter(function, 1, out _, out _) == CuResult.Success)
        {
            throw new InvalidOperationException($"The kernel {name} of {Name} takes {size} bytes in its first parameter; {typeof(T).FullName} has {sizeof(T)}, and there must be one parameter. The two layouts have drifted apart.");
        }
    }

    private static unsafe CuResult LoadData(byte[] cubin, out nint module)
    {
        fixed (byte* image = cubin)
        {
            return Driver.ModuleLoad(out module, image);
        }
    }
}
