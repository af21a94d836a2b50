using Loire.Cuda;

namespace Loire.Gpu.Tests.Benchmarks;

/// <summary>Gigabytes of numbers in no time: a few million random ones, copied on the device until the memory is full.</summary>
public static class RandomWeights
{
    private const int Count = 3_999_971; // a prime: no row of a matrix is another's copy

    private static readonly Lazy<float[]> s_floats = new(() => Numbers.Normal(seed: 7, Count));
    private static readonly Lazy<BFloat16[]> s_halves = new(() => Array.ConvertAll(s_floats.Value, number => (BFloat16)(number * 0.01f)));

    /// <summary>bf16, normal, small enough for sums over some thousand of them.</summary>
    public static DeviceMemory Make(Gpu gpu, long length) => Fill(gpu, s_halves.Value, length);

    /// <summary>fp32, normal.</summary>
    public static DeviceMemory MakeFloats(Gpu gpu, long length) => Fill(gpu, s_floats.Value, length);

    private static unsafe DeviceMemory Fill<T>(Gpu gpu, T[] numbers, long length)
        where T : unmanaged
    {
        var memory = gpu.Device.Allocate(length * sizeof(T), "numbers of a benchmark");
        var all = memory.AsVector<T>();
        var filled = Math.Min(numbers.Length, length);
        gpu.Stream.Upload<T>(numbers.AsSpan(0, (int)filled), all.Slice(0, filled));
        while (filled < length)
        {
            var count = Math.Min(filled, length - filled);
            gpu.Stream.Copy(all.Slice(0, count), all.Slice(filled, count));
            filled += count;
        }

        return memory;
    }
}
