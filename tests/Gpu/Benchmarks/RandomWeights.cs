using Loire.Cuda;

namespace Loire.Gpu.Tests.Benchmarks;

/// <summary>Gigabytes of weights in no time: a few million random numbers, copied on the device until the memory is full.</summary>
public static class RandomWeights
{
    private const int Numbers = 3_999_971; // a prime: no row of a matrix is another's copy

    /// <summary>bf16, about normal, small enough for sums over some thousand of them.</summary>
    public static DeviceMemory Make(Gpu gpu, long length)
    {
        var memory = gpu.Device.Allocate(length * sizeof(ushort), "weights of a benchmark");
        var all = memory.AsVector<BFloat16>();
        var filled = Math.Min(Numbers, length);
        gpu.Stream.Upload<BFloat16>(Tests.Numbers.AsBFloat16(Tests.Numbers.Normal(seed: 7, filled, deviation: 0.01)), all.Slice(0, filled));
        while (filled < length)
        {
            var count = Math.Min(filled, length - filled);
            gpu.Stream.Copy(all.Slice(0, count), all.Slice(filled, count));
            filled += count;
        }

        return memory;
    }
}
