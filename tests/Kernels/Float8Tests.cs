using Loire.Cuda;

namespace Loire.Kernels.Tests;

public sealed class Float8Tests
{
    [Fact]
    public void Every_code_is_its_sign_exponent_and_mantissa_and_comes_back()
    {
        for (var code = 0; code < 256; code++)
        {
            var (sign, exponent, mantissa) = (code < 128 ? 1 : -1, (code >> 3) & 15, code & 7);
            var expected = exponent == 15 && mantissa == 7 ? float.NaN : sign * (float)(exponent == 0 ? mantissa * Math.Pow(2, -9) : (8 + mantissa) * Math.Pow(2, exponent - 10));
            var number = new Float8((byte)code);

            Assert.Equal(expected, (float)number);
            Assert.Equal(float.IsNaN(expected) ? 0x7F : code, ((Float8)(float)number).Bits);
        }
    }

    [Fact]
    public void The_nearest_is_taken_and_of_two_the_even_one()
    {
        for (var code = 0; code < 0x7E; code++)
        {
            var (low, high) = ((float)new Float8((byte)code), (float)new Float8((byte)(code + 1)));
            var middle = (low + high) / 2;

            Assert.Equal(code % 2 == 0 ? code : code + 1, ((Float8)middle).Bits);
            Assert.Equal(code, ((Float8)MathF.BitDecrement(middle)).Bits);
            Assert.Equal(code + 1, ((Float8)MathF.BitIncrement(middle)).Bits);
            Assert.Equal(0x80 | (code + 1), ((Float8)(-MathF.BitIncrement(middle))).Bits);
        }
    }

    [Theory]
    [InlineData(448f, 0x7E)]
    [InlineData(464f, 0x7E)]
    [InlineData(1e30f, 0x7E)]
    [InlineData(float.PositiveInfinity, 0x7E)]
    [InlineData(float.NegativeInfinity, 0xFE)]
    [InlineData(float.NaN, 0x7F)]
    [InlineData(-0f, 0x80)]
    [InlineData(1e-30f, 0x00)]
    public void What_is_beyond_the_largest_becomes_that(float value, int code) => Assert.Equal(code, ((Float8)value).Bits);
}
