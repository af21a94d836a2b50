using Loire.Cuda;

namespace Loire.Gpu.Tests.Benchmarks;

/// <summary>What this GPU can do, measured now: results are shares of it.</summary>
/// <param name="BytesPerSecond">Of a copy on the device, reads and writes counted.</param>
/// <param name="OperationsPerSecond">Of a large bf16 matrix product of random numbers by cuBLASLt.</param>
public sealed record DeviceLimits(double BytesPerSecond, double OperationsPerSecond)
{
    private const long CopyBytes = 2L << 30;
    private const int Width = 8192;

    public static DeviceLimits Measure(Gpu gpu)
    {
        using var watch = new DeviceStopwatch(gpu.Device, gpu.Stream);
        return new DeviceLimits(MeasureCopy(gpu, watch), MeasureProducts(gpu, watch));
    }

    private static double MeasureCopy(Gpu gpu, DeviceStopwatch watch)
    {
        using var from = gpu.Device.Allocate(CopyBytes, "the copy that the memory is measured by");
        using var to = gpu.Device.Allocate(CopyBytes, "the copy that the memory is measured by");
        var time = watch.Time((stream, _) => stream.Copy(from.AsVector<byte>(), to.AsVector<byte>()), repetitions: 4);
        return 2 * CopyBytes / time.Median * 1e6;
    }

    private static double MeasureProducts(Gpu gpu, DeviceStopwatch watch)
    {
        var numbers = Numbers.AsBFloat16(Numbers.Normal(seed: 1, (long)Width * Width));
        using var x = gpu.Upload(numbers, Width, Width);
        using var w = gpu.Upload(numbers, Width, Width);
        using var y = gpu.Poisoned<BFloat16>(Width, Width);
        var time = watch.Time((stream, _) => gpu.Products.MatMul(stream, x.Matrix, w.Matrix, y.Matrix), repetitions: 4);
        return 2.0 * Width * Width * Width / time.Median * 1e6;
    }
}
