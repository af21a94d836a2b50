using Loire.Cuda;

namespace Loire.Gpu.Tests.Cuda;

public sealed class MemoryTests(Gpu gpu) : IClassFixture<Gpu>
{
    [GpuTheory]
    [InlineData(1)]
    [InlineData(1000)]
    [InlineData(1_000_003)]
    public void What_is_uploaded_comes_back(int count)
    {
        var numbers = Numbers.Normal(seed: 1, count);
        using var buffer = gpu.Upload(numbers);

        Assert.Equal(numbers, buffer.Download());
    }

    [GpuFact]
    public void A_poisoned_buffer_is_not_a_number_in_any_type()
    {
        using var floats = gpu.Poisoned<float>(3, 5);
        using var halves = gpu.Poisoned<BFloat16>(3, 5);

        Assert.All(floats.Download(), value => Assert.True(float.IsNaN(value)));
        Assert.All(halves.Download(), value => Assert.True(float.IsNaN(value)));
    }

    [GpuFact]
    public void Pinned_copies_go_both_ways()
    {
        var numbers = Numbers.Integers(seed: 2, 4099, end: 1 << 30);
        using var there = gpu.Device.AllocatePinned(4099 * sizeof(int), "a test");
        using var back = gpu.Device.AllocatePinned(4099 * sizeof(int), "a test");
        using var buffer = gpu.Poisoned<int>(1, 4099);
        numbers.CopyTo(there.Span<int>(0, 4099));

        gpu.Stream.Copy(there, 0, buffer.Vector);
        gpu.Stream.Copy(buffer.Vector, back, 0);
        gpu.Stream.Synchronize();

        Assert.Equal(numbers, back.Span<int>(0, 4099));
    }

    [GpuFact]
    public void Too_large_an_allocation_says_how_much_there_is_and_what_to_do()
    {
        var failure = Assert.Throws<CudaException>(() => gpu.Device.Allocate(1L << 50, "the key-value pages", "lower the count of pages."));

        Assert.Equal(CuResult.OutOfMemory, failure.Result);
        Assert.False(failure.IsSticky);
        Assert.Contains("1048576.0 GiB for the key-value pages", failure.Message, StringComparison.Ordinal);
        Assert.Contains("free of", failure.Message, StringComparison.Ordinal);
        Assert.EndsWith("lower the count of pages.", failure.Message, StringComparison.Ordinal);
    }

    [GpuFact]
    public void An_arena_cuts_views_that_do_not_overlap()
    {
        using var arena = new DeviceArena(gpu.Device, 4096, "a test");
        var first = arena.Take<float>(3);
        var second = arena.Take<int>(5);
        gpu.Stream.Upload<float>([1, 2, 3], first);
        gpu.Stream.Fill(second, -1);
        var back = new float[3];

        gpu.Stream.Download(first, back.AsSpan());

        Assert.Equal([1, 2, 3], back);
        Assert.Equal(512, arena.Used);
        Assert.Throws<InvalidOperationException>(() => arena.Take<byte>(4096));
    }
}
