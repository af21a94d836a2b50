using System.Runtime.Intrinsics;
using Loire.Engine.Backends.Cpu.Kernels;

namespace Loire.Engine.Tests.Backends;

public sealed class VectorMathTests
{
    [Fact]
    public void Exp_IsWithinTwoUnitsInTheLastPlace()
    {
        for (var x = -87f; x < 88f; x += 0.0137f)
        {
            var expected = Math.Exp(x);
            var error = Math.Abs(VectorMath.Exp(Vector512.Create(x))[5] - expected);

            Assert.True(error <= 2 * (MathF.BitIncrement((float)expected) - (float)expected), $"e^{x}: off by {error}");
        }
    }

    [Theory]
    [InlineData(float.NegativeInfinity, 0f)]
    [InlineData(-1000f, 0f)]
    [InlineData(0f, 1f)]
    public void Exp_OfExtremes_IsExact(float x, float expected) => Assert.Equal(expected, VectorMath.Exp(Vector512.Create(x))[0]);

    [Theory]
    [InlineData(-100f)]
    [InlineData(-1.5f)]
    [InlineData(0f)]
    [InlineData(3f)]
    [InlineData(100f)]
    public void SiluAndSigmoid_AgreeWithTheirFormulas(float x)
    {
        var sigmoid = 1 / (1 + Math.Exp(-x));

        Assert.Equal(sigmoid, VectorMath.Sigmoid(Vector512.Create(x))[3], 1e-6);
        Assert.Equal(x * sigmoid, VectorMath.Silu(Vector512.Create(x))[3], 1e-5);
    }
}
