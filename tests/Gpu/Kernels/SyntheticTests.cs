using Loire.Cuda;
using Loire.Kernels;

namespace Loire.Gpu.Tests.Kernels;

public sealed class SyntheticTests(Gpu gpu) : IClassFixture<Gpu>
{
    [GpuTheory]
    [InlineData(1)]
    [InlineData(257)]
    [InlineData(100_003)]
    public void A_number_depends_on_seed_and_place_alone(int count)
    {
        var kernel = new Synthetic(gpu.Module("Synthetic", ElementType.BFloat16));
        var sequence = new SyntheticSequence(Seed: 12345, First: 1L << 40, Bound: 0.25f);
        using var floats = gpu.Poisoned<float>(1, count);
        using var halves = gpu.Poisoned<BFloat16>(1, count);

        kernel.Enqueue(gpu.Stream, floats.Address, count, sequence, isFloat: true);
        kernel.Enqueue(gpu.Stream, halves.Address, count, sequence, isFloat: false);

        var expected = Enumerable.Range(0, count).Select(i => SyntheticReference.At(sequence, i)).ToArray();
        Assert.Equal(expected, floats.Download());
        Assert.Equal(Numbers.AsBFloat16(expected), halves.Download());
    }

    [GpuTheory]
    [InlineData(1, 1, 1, 0)]
    [InlineData(37, 70, 101, 13)]
    [InlineData(5000, 256, 1024, 768)]
    public void A_slice_of_columns_has_the_numbers_of_the_whole(int rows, int columns, int width, int firstColumn)
    {
        var kernel = new Synthetic(gpu.Module("Synthetic", ElementType.BFloat16));
        var whole = new SyntheticSequence(Seed: 12345, First: 1L << 40, Bound: 0.25f);
        var slice = whole with { First = whole.First + firstColumn };
        using var floats = gpu.Poisoned<float>(rows, columns);
        using var halves = gpu.Poisoned<BFloat16>(rows, columns);

        kernel.Enqueue(gpu.Stream, floats.Address, rows, columns, slice, width, isFloat: true);
        kernel.Enqueue(gpu.Stream, halves.Address, rows, columns, slice, width, isFloat: false);

        float[] expected = [.. Enumerable.Range(0, rows * columns).Select(i => SyntheticReference.At(whole, ((long)(i / columns) * width) + firstColumn + (i % columns)))];
        Assert.Equal(expected, floats.Download());
        Assert.Equal(Numbers.AsBFloat16(expected), halves.Download());
    }
}
