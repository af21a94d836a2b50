namespace Loire.Kernels.Tests;

public sealed class GatedNormReferenceTests
{
    [Fact]
    public void A_row_is_divided_by_its_root_mean_square_and_gated()
    {
        // mean(o²) = 12.5; σ(0) = 1/2, σ(ln 3) = 3/4.
        var output = GatedNormReference.Apply([3, 4], [0, (float)Math.Log(3)], [2, 1], epsilon: 0);

        Assert.Equal(3 / Math.Sqrt(12.5), output[0], tolerance: 1e-7);
        Assert.Equal(4 / Math.Sqrt(12.5) * 0.75, output[1], tolerance: 1e-7);
    }

    [Fact]
    public void A_row_of_zeros_stays_zero() => Assert.Equal([0.0, 0.0], GatedNormReference.Apply([0, 0], [1, 1], [1, 1], epsilon: 1e-6));
}
