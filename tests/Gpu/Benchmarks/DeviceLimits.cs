using System.Runtime.InteropServices;
using Loire.Cuda;

namespace Loire.Gpu.Tests.Benchmarks;

/// <summary>What this GPU can do, measured now: results are shares of it.</summary>
/// <param name="BytesPerSecond">Of the quicker of two copies on the device, the driver's and a kernel's, reads and writes counted.</param>
/// <param name="OperationsPerSecond">Of a large bf16 matrix product of random numbers by cuBLASLt.</param>
public sealed record DeviceLimits(double BytesPerSecond, double OperationsPerSecond)
{
    private const long CopyBytes = 4L << 30;
    private const int Width = 8192;
    private const int Threads = 512;
    private const int LoadsEach = 4;

    private const string CopySource = """
        struct CopyParameters { const uint4* from; uint4* to; };
        extern "C" __global__ void __launch_bounds__(512) copy(const CopyParameters p)
        {
            const unsigned long long first = blockIdx.x * 2048ull + threadIdx.x;
            uint4 v[4];
            #pragma unroll
            for (int i = 0; i < 4; i++) { v[i] = __ldcs(p.from + first + i * 512); }
            #pragma unroll
            for (int i = 0; i < 4; i++) { __stcs(p.to + first + i * 512, v[i]); }
        }
        """;

    public static DeviceLimits Measure(Gpu gpu)
    {
        using var watch = new DeviceStopwatch(gpu.Device, gpu.Stream);
        return new DeviceLimits(MeasureCopy(gpu, watch), MeasureProducts(gpu, watch));
    }

    /// <summary>The driver copies in a graph by another engine than on a stream: it is timed on the stream.</summary>
    private static double MeasureCopy(Gpu gpu, DeviceStopwatch watch)
    {
        using var from = gpu.Device.Allocate(CopyBytes, "the copy that the memory is measured by");
        using var to = gpu.Device.Allocate(CopyBytes, "the copy that the memory is measured by");
        using var module = gpu.Device.Compile(new KernelSource("Copy.cu", CopySource, new Dictionary<string, string>(), []));
        var kernel = module.Function<CopyParameters>("copy");
        var grid = new LaunchGrid((int)(CopyBytes / (16 * Threads * LoadsEach)), Threads);
        gpu.Stream.Fill(from.AsVector<byte>(), 0x3C);
        var byKernel = watch.TimeOnStream((stream, _) => kernel.Launch(stream, grid, new CopyParameters(from.Address, to.Address)), repetitions: 2);
        var byDriver = watch.TimeOnStream((stream, _) => stream.Copy(from.AsVector<byte>(), to.AsVector<byte>()), repetitions: 2);
        return 2 * CopyBytes / Math.Min(byKernel.Low, byDriver.Low) * 1e6;
    }

    private static double MeasureProducts(Gpu gpu, DeviceStopwatch watch)
    {
        var numbers = Numbers.AsBFloat16(Numbers.Normal(seed: 1, (long)Width * Width));
        using var x = gpu.Upload(numbers, Width, Width);
        using var w = gpu.Upload(numbers, Width, Width);
        using var y = gpu.Poisoned<BFloat16>(Width, Width);
        var time = watch.TimeOnStream((stream, _) => gpu.Products.MatMul(stream, x.Matrix, w.Matrix, y.Matrix), repetitions: 4);
        return 2.0 * Width * Width * Width / time.Low * 1e6;
    }

    [StructLayout(LayoutKind.Sequential)]
    private readonly record struct CopyParameters(ulong From, ulong To);
}
