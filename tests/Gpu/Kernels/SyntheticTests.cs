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
}
