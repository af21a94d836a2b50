using Loire.Kernels;

namespace Loire.Gpu.Tests.Kernels;

/// <summary>Experts with weights of 8 bits are those with the numbers that the codes and their blocks' scales stand for.</summary>
public sealed class ExpertsFloat8Tests(Gpu gpu) : IClassFixture<Gpu>
{
    [GpuTheory]
    [InlineData(ExpertsPath.Any, 9, 3, 33, 17, 5)]
    [InlineData(ExpertsPath.Any, 5, 2, 257, 130, 3)]
    [InlineData(ExpertsPath.Stream, 1, 1, 64, 64, 1)]
    [InlineData(ExpertsPath.Stream, 1, 2, 256, 256, 8)]
    [InlineData(ExpertsPath.Stream, 7, 2, 640, 192, 4)]
    [InlineData(ExpertsPath.Stream, 12, 2, 320, 448, 3)]
    [InlineData(ExpertsPath.Stream, 40, 2, 256, 448, 8)]
    [InlineData(ExpertsPath.Stream, 64, 8, 128, 64, 100)]
    [InlineData(ExpertsPath.Stream, 300, 2, 192, 128, 4)]
    [InlineData(ExpertsPath.Stream, 5, 2, 6144, 64, 3)]
    [InlineData(ExpertsPath.Stream, 3, 2, 1024, 1664, 4)]
    public void Each_entry_is_its_experts_feed_forward_of_its_row(ExpertsPath path, int rows, int topK, int hidden, int width, int experts)
    {
        using var layer = Layer((hidden, width, experts), ExpertsLayer.Distinct(rows, topK, experts), topK);

        layer.Enqueue(path);

        KernelAssert.Close(layer.Expected(), layer.Y.Download(), KernelAssert.BFloat16Rounding);
    }

    [GpuTheory]
    [InlineData(3, 2, 64, 64, 4, 1)]
    [InlineData(40, 2, 448, 320, 3, 2)]
    [InlineData(300, 2, 1024, 640, 8, 3)]
    public void In_large_tiles_they_are_what_brain_floats_of_the_same_numbers_are_bit_by_bit(int rows, int topK, int hidden, int width, int experts, int atOnce)
    {
        using var layer = Layer((hidden, width, experts), ExpertsLayer.Distinct(rows, topK, experts), topK, atOnce);

        layer.Enqueue(ExpertsPath.Prefill);

        using var rounded = new ExpertsLayer(gpu, ElementType.BFloat16, WeightType.Element, (hidden, width, experts), ExpertsLayer.Distinct(rows, topK, experts), topK, ofEightBits: true);
        rounded.Enqueue(ExpertsPath.Prefill);

        Assert.Equal(rounded.Y.Download(), layer.Y.Download());
    }

    [GpuTheory]
    [InlineData(3)]
    [InlineData(20)]
    [InlineData(200)]
    public void All_rows_may_choose_one_expert(int rows)
    {
        using var layer = Layer((128, 192, 16), Enumerable.Repeat(11, rows).ToArray(), 1);

        layer.Enqueue(ExpertsPath.Stream);

        KernelAssert.Close(layer.Expected(), layer.Y.Download(), KernelAssert.BFloat16Rounding);
    }

    [GpuTheory]
    [InlineData(ExpertsPath.Any)]
    [InlineData(ExpertsPath.Stream)]
    [InlineData(ExpertsPath.Prefill)]
    public void Entries_of_experts_that_are_elsewhere_stay_as_they_were(ExpertsPath path)
    {
        const int hidden = 320;
        var chosen = ExpertsLayer.Distinct(10, 2, 8);
        using var layer = Layer((hidden, 192, 8), chosen, 2);

        layer.Enqueue(path, firstExpert: 3, count: 3);
        var shard = layer.Y.Download();
        Assert.All(chosen.Index(), entry => Assert.Equal(entry.Item is < 3 or > 5, float.IsNaN(shard[entry.Index * hidden])));

        layer.Enqueue(path, firstExpert: 0, count: 3);
        layer.Enqueue(path, firstExpert: 6, count: 2);
        var parts = layer.Y.Download();
        layer.Y.Poison();
        layer.Enqueue(path);
        KernelAssert.Close(layer.Y.Download(), parts, KernelAssert.BFloat16Rounding);
        if (path is not ExpertsPath.Prefill) // which rounds the numbers once more: see above
        {
            KernelAssert.Close(layer.Expected(), parts, 2 * KernelAssert.BFloat16Rounding);
        }
    }

    [GpuFact]
    public void Experts_have_the_same_bits_each_time()
    {
        using var layer = Layer((1024, 512, 8), ExpertsLayer.Distinct(12, 2, 8), 2);
        layer.Enqueue(ExpertsPath.Stream);
        var first = layer.Y.Download();

        for (var i = 0; i < 20; i++)
        {
            layer.Y.Poison();
            layer.Enqueue(ExpertsPath.Stream);
            Assert.Equal(first, layer.Y.Download());
        }
    }

    private ExpertsLayer Layer((int Hidden, int Width, int Experts) shape, int[] chosen, int topK, int atOnce = 2) =>
        new(gpu, ElementType.BFloat16, WeightType.Float8, shape, chosen, topK, atOnce);
}
