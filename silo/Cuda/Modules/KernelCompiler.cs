using System.Text;
using Loire.Cuda.Native;

namespace Loire.Cuda;

/// <summary>CUDA C++ to a cubin for one architecture, by way of the cache.</summary>
internal sealed class KernelCompiler(KernelCache cache, string architecture)
{
    private static readonly string[] Fixed =
    [
        "--std=c++17",
        "--device-as-default-execution-space",
        "--generate-line-info",
        "--extra-device-vectorization",
    ];

    /// <summary>The compiler's options for a source, in order.</summary>
    public string[] OptionsFor(KernelSource source) =>
        [$"--gpu-architecture={architecture}", .. Fixed, .. source.Defines.Select(define => $"--define-macro={define}")];

    public CudaModule Load(CudaDevice device, KernelSource source)
    {
        CudaLibraries.Require(Nvrtc.Library);
        var options = OptionsFor(source);
        var key = KernelCache.KeyOf(source, options, CompilerName(), CudaDriver.Version);
        if (cache.Read(key) is { Length: > 0 } cached && CudaModule.TryLoad(device, source.Name, cached) is { } module)
        {
            return module;
        }

        var cubin = Compile(source, options);
        cache.Write(key, cubin);
        return CudaModule.Load(device, source.Name, cubin);
    }

    private unsafe byte[] Compile(KernelSource source, string[] options)
    {
        string[] names = [.. source.Headers.Keys];
        string[] texts = [.. source.Headers.Values];
        Check(Nvrtc.CreateProgram(out var program, source.Text, source.Name, names.Length, texts, names), "nvrtcCreateProgram", source);
        try
        {
            if (Nvrtc.CompileProgram(program, options.Length, options) is var result and not 0)
            {
                throw new KernelCompileException(source.Name, architecture, CompilerName(), $"{LogOf(program)} (result {result})");
            }

            Check(Nvrtc.GetCubinSize(program, out var size), "nvrtcGetCUBINSize", source);
            var cubin = new byte[size];
            fixed (byte* bytes = cubin)
            {
                Check(Nvrtc.GetCubin(program, bytes), "nvrtcGetCUBIN", source);
            }

            return cubin;
        }
        finally
        {
            _ = Nvrtc.DestroyProgram(ref program);
        }
    }

    private void Check(int result, string operation, KernelSource source)
    {
        if (result != 0)
        {
            throw new KernelCompileException(source.Name, architecture, CompilerName(), $"{operation} answers {result}.");
        }
    }

    private static unsafe string LogOf(nint program)
    {
        if (Nvrtc.GetLogSize(program, out var size) != 0 || size <= 1)
        {
            return "The compiler says nothing.";
        }

        var log = new byte[size];
        fixed (byte* bytes = log)
        {
            return Nvrtc.GetLog(program, bytes) == 0 ? Encoding.UTF8.GetString(log).TrimEnd('\0') : "The compiler's log cannot be read.";
        }
    }

    private static string CompilerName() => Nvrtc.Version(out var major, out var minor) == 0 ? $"NVRTC {major}.{minor}" : "NVRTC";
}
