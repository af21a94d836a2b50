using Loire.Cuda;

namespace Loire.Gpu.Tests.Cuda;

public sealed class ProductTests(Gpu gpu) : IClassFixture<Gpu>
{
    [GpuTheory]
    [InlineData(1, 8, 8)]
    [InlineData(17, 40, 64)]
    [InlineData(300, 136, 1000)]
    [InlineData(257, 512, 768)]
    public void A_product_is_that_of_the_rows(int rows, int columns, int depth)
    {
        var x = Numbers.Rounded(Numbers.Normal(seed: 1, rows * depth));
        var w = Numbers.Rounded(Numbers.Normal(seed: 2, columns * depth));
        using var deviceX = gpu.Upload(Numbers.AsBFloat16(x), rows, depth);
        using var deviceW = gpu.Upload(Numbers.AsBFloat16(w), columns, depth);
        using var floats = gpu.Poisoned<float>(rows, columns);
        using var halves = gpu.Poisoned<BFloat16>(rows, columns);

        gpu.Products.MatMul(gpu.Stream, deviceX.Matrix, deviceW.Matrix, floats.Matrix);
        gpu.Products.MatMul(gpu.Stream, deviceX.Matrix, deviceW.Matrix, halves.Matrix);

        var expected = Product(x, w, rows, columns, depth);
        KernelAssert.Close(expected, floats.Download(), KernelAssert.FloatRounding);
        KernelAssert.Close(expected, halves.Download());
    }

    [GpuFact]
    public void Shapes_that_disagree_are_named()
    {
        using var x = gpu.Poisoned<BFloat16>(3, 8);
        using var w = gpu.Poisoned<BFloat16>(4, 16);
        using var y = gpu.Poisoned<float>(3, 4);

        var failure = Assert.Throws<ArgumentException>(() => gpu.Products.MatMul(gpu.Stream, x.Matrix, w.Matrix, y.Matrix));

        Assert.Contains("x is [3, 8], w is [4, 16]", failure.Message, StringComparison.Ordinal);
    }

    private static float[] Product(float[] x, float[] w, int rows, int columns, int depth)
    {
        var y = new float[rows * columns];
        Parallel.For(0, rows, r =>
        {
            for (var n = 0; n < columns; n++)
            {
                var sum = 0.0;
                for (var k = 0; k < depth; k++)
                {
                    sum += (double)x[(r * depth) + k] * w[(n * depth) + k];
                }

                y[(r * columns) + n] = (float)sum;
            }
        });
        return y;
    }
}
