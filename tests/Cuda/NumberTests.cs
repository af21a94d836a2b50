namespace Loire.Cuda.Tests;

public sealed class NumberTests
{
    [Theory]
    [InlineData(1f, 0x3F80)]
    [InlineData(-2.5f, 0xC020)]
    [InlineData(1.00390625f, 0x3F80)] // halfway, to even
    [InlineData(1.01171875f, 0x3F82)] // halfway, to even
    [InlineData(1.0039064f, 0x3F81)] // just above halfway
    [InlineData(float.PositiveInfinity, 0x7F80)]
    [InlineData(3.4e38f, 0x7F80)] // beyond the largest
    public void A_float_rounds_to_the_nearest_bf16_ties_to_even(float value, int bits) => Assert.Equal(bits, ((BFloat16)value).Bits);

    [Fact]
    public void Not_a_number_stays_so() => Assert.True(float.IsNaN((BFloat16)float.NaN));

    [Fact]
    public void Every_bf16_is_what_it_is_made_from_again()
    {
        for (var bits = 0; bits <= ushort.MaxValue; bits++)
        {
            var value = new BFloat16((ushort)bits);
            Assert.True(float.IsNaN(value) || ((BFloat16)(float)value).Bits == bits);
        }
    }

    [Fact]
    public void A_view_that_does_not_lie_inside_is_refused()
    {
        var vector = new DeviceVector<float>(4096, 10);
        var matrix = new DeviceMatrix<BFloat16>(4096, 3, 5);

        Assert.Equal(new DeviceVector<float>(4096 + 12, 7), vector.Slice(3, 7));
        Assert.Equal(new DeviceMatrix<BFloat16>(4096 + 20, 1, 5), matrix.Row(2));
        Assert.Throws<ArgumentOutOfRangeException>(() => vector.Slice(4, 7));
        Assert.Throws<ArgumentOutOfRangeException>(() => matrix.Row(3));
        Assert.Throws<ArgumentOutOfRangeException>(() => vector.AsMatrix(3, 4));
    }
}
