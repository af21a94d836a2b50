using Loire.Engine.Models;

namespace Loire.Engine.Tests.Models;

public sealed class LightningSlopesTests
{
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Powers_of_two_are_halved_evenly(bool vendor)
    {
        var slopes = LightningSlopes.OfLayer(heads: 8, layer: 0, layers: 80, vendor);

        for (var head = 0; head < 8; head++)
        {
            Assert.Equal(Math.Pow(0.5, head + 1) * 1.00001, slopes[head], 1e-7);
        }
    }

    [Fact]
    public void The_vendor_fills_other_head_counts_from_the_next_power()
    {
        var slopes = LightningSlopes.OfLayer(heads: 6, layer: 0, layers: 2, vendor: true);

        // 4 slopes of four heads, then the first and third of eight.
        double[] expected = [1.0 / 4, 1.0 / 16, 1.0 / 64, 1.0 / 256, 1.0 / 2, 1.0 / 8];
        Assert.Equal(expected.Select(s => (float)(s * 1.00001)), slopes);
    }

    [Fact]
    public void Transformers_keeps_the_formula_for_other_head_counts()
    {
        var slopes = LightningSlopes.OfLayer(heads: 3, layer: 0, layers: 2, vendor: false);

        double[] expected = [Math.Pow(2, -8 / 3.0), Math.Pow(2, -16 / 3.0), Math.Pow(2, -8)];
        Assert.Equal(expected.Select(s => (float)(s * 1.00001)), slopes);
    }

    [Theory]
    [InlineData(true, 7, 1e-5)]
    [InlineData(false, 7, 1e-5 + (1e-5 / 7))] // 7 / (7 + 1e-5), to first order
    [InlineData(true, 1, 1 - (1 / 7.0) + 1e-5)]
    public void The_layer_factor_reaches_its_least_at_the_last_layer(bool vendor, int layer, double factor)
    {
        var slope = LightningSlopes.OfLayer(heads: 1, layer, layers: 8, vendor)[0];

        Assert.Equal(factor / 256, slope, factor / 256 * 1e-5);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_single_layer_has_the_full_factor(bool vendor) =>
        Assert.Equal((float)(1.00001 / 256), LightningSlopes.OfLayer(heads: 1, layer: 0, layers: 1, vendor)[0]);
}
