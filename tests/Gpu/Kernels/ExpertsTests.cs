using Loire.Kernels;

namespace Loire.Gpu.Tests.Kernels;

public sealed class ExpertsTests(Gpu gpu) : IClassFixture<Gpu>
{
    [GpuTheory]
    [InlineData(ExpertsPath.Any, ElementType.Float32, 3, 2, 20, 12, 6)]
    [InlineData(ExpertsPath.Any, ElementType.BFloat16, 9, 3, 33, 17, 5)]
    [InlineData(ExpertsPath.Stream, ElementType.BFloat16, 1, 2, 256, 256, 8)]
    [InlineData(ExpertsPath.Stream, ElementType.BFloat16, 1, 1, 64, 64, 1)]
    [InlineData(ExpertsPath.Stream, ElementType.BFloat16, 7, 2, 640, 192, 4)]
    [InlineData(ExpertsPath.Stream, ElementType.BFloat16, 40, 2, 256, 448, 8)]
    [InlineData(ExpertsPath.Stream, ElementType.BFloat16, 64, 8, 128, 64, 100)]
    [InlineData(ExpertsPath.Stream, ElementType.BFloat16, 300, 2, 192, 128, 4)]
    [InlineData(ExpertsPath.Stream, ElementType.BFloat16, 5, 2, 6144, 64, 3)]
    [InlineData(ExpertsPath.Prefill, ElementType.BFloat16, 3, 2, 64, 64, 4)]
    [InlineData(ExpertsPath.Prefill, ElementType.BFloat16, 400, 2, 448, 320, 3)]
    [InlineData(ExpertsPath.Prefill, ElementType.BFloat16, 300, 2, 1024, 640, 8)]
    public void Each_entry_is_its_experts_feed_forward_of_its_row(ExpertsPath path, ElementType type, int rows, int topK, int hidden, int width, int experts)
    {
        using var layer = new ExpertsLayer(gpu, type, WeightType.Element, (hidden, width, experts), ExpertsLayer.Distinct(rows, topK, experts), topK);

        layer.Enqueue(path);

        KernelAssert.Close(layer.Expected(), layer.Y.Download(), ElementBuffer.Rounding(type));
    }

    [GpuTheory]
    [InlineData(3)]
    [InlineData(20)]
    [InlineData(200)]
    public void All_rows_may_choose_one_expert(int rows)
    {
        using var layer = new ExpertsLayer(gpu, ElementType.BFloat16, WeightType.Element, (128, 192, 16), Enumerable.Repeat(11, rows).ToArray(), 1);

        layer.Enqueue(ExpertsPath.Stream);

        KernelAssert.Close(layer.Expected(), layer.Y.Download(), ElementBuffer.Rounding(ElementType.BFloat16));
    }

    [GpuTheory]
    [InlineData(ExpertsPath.Any)]
    [InlineData(ExpertsPath.Stream)]
    [InlineData(ExpertsPath.Prefill)]
    public void Two_shards_together_are_the_whole(ExpertsPath path)
    {
        using var layer = new ExpertsLayer(gpu, ElementType.BFloat16, WeightType.Element, (256, 128, 8), ExpertsLayer.Distinct(10, 2, 8), 2);

        layer.Enqueue(path, firstExpert: 0, count: 3);
        layer.Enqueue(path, firstExpert: 3, count: 5);

        KernelAssert.Close(layer.Expected(), layer.Y.Download(), ElementBuffer.Rounding(ElementType.BFloat16));
    }

    [GpuFact]
    public void Experts_have_the_same_bits_each_time()
    {
        using var layer = new ExpertsLayer(gpu, ElementType.BFloat16, WeightType.Element, (1024, 512, 8), ExpertsLayer.Distinct(12, 2, 8), 2);
        layer.Enqueue(ExpertsPath.Stream);
        var first = layer.Y.Download();

        for (var i = 0; i < 20; i++)
        {
            layer.Y.Poison();
            layer.Enqueue(ExpertsPath.Stream);
            Assert.Equal(first, layer.Y.Download());
        }
    }
}
