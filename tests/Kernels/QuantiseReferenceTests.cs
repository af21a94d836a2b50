namespace Loire.Kernels.Tests;

public sealed class QuantiseReferenceTests
{
    [Theory]
    [InlineData(1, 1)]
    [InlineData(127, 129)]
    [InlineData(257, 300)]
    public void A_number_is_off_by_a_sixteenth_of_it_at_most_and_the_largest_of_a_block_by_nothing(int rows, int columns)
    {
        var random = new Random(1);
        var w = Enumerable.Range(0, rows * columns).Select(_ => (float)((random.NextDouble() - 0.5) * Math.Exp(6 * random.NextDouble()))).ToArray();

        var (codes, scales) = QuantiseReference.Apply(w, rows, columns);
        var back = QuantiseReference.Back(codes, scales, rows, columns);

        Assert.Equal(BlockScales.BlocksOf(rows) * BlockScales.BlocksOf(columns), scales.Length);
        for (var i = 0; i < w.Length; i++)
        {
            var scale = scales[(i / columns / 128 * BlockScales.BlocksOf(columns)) + (i % columns / 128)];
            Assert.InRange(MathF.Abs(back[i] - w[i]), 0, (MathF.Abs(w[i]) / 16 * 1.001f) + (scale / 1024)); // half a step, and half of the steps near zero
            Assert.InRange(MathF.Abs(w[i]), 0, 448 * scale * 1.001f);
        }

        Assert.Equal(scales.Length, codes.Index().Where(code => (code.Item.Bits & 0x7F) == 0x7E).Select(code => (code.Index / columns / 128, code.Index % columns / 128)).Distinct().Count());
    }

    [Fact]
    public void A_block_of_zeros_has_scale_1_and_a_NaN_has_no_say_in_its_blocks()
    {
        var w = new float[129 * 129];
        (w[^1], w[128]) = (float.NaN, 7);

        var (codes, scales) = QuantiseReference.Apply(w, 129, 129);

        Assert.Equal([1, 7 / 448f, 1, 1], scales);
        Assert.Equal((0x7F, 0x7E, 0), (codes[^1].Bits, codes[128].Bits, codes[0].Bits));
    }

    [Fact]
    public void Rounding_costs_a_fortieth_in_the_mean()
    {
        var random = new Random(2);
        var w = Enumerable.Range(0, 256 * 256).Select(_ => (float)Enumerable.Range(0, 12).Sum(_ => random.NextDouble() - 0.5)).ToArray();

        var (codes, scales) = QuantiseReference.Apply(w, 256, 256);
        var back = QuantiseReference.Back(codes, scales, 256, 256);

        var error = Math.Sqrt(w.Zip(back, (a, b) => Math.Pow(a - b, 2)).Sum() / w.Sum(a => Math.Pow(a, 2)));
        Assert.InRange(error, 0.02, 0.03);
    }
}
