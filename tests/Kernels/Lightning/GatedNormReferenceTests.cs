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
    public void Parts_of_a_row_divided_by_the_root_of_all_their_squares_are_the_whole_row()
    {
        float[] input = [3, -4, 0.5f, 2, 1];
        float[] gate = [0, 1, -1, 0.5f, 2];
        float[] weight = [2, 1, 1, -3, 0.25f];

        var (first, firstSquares) = GatedNormReference.ApplyUnscaled(input.AsSpan(..2), gate.AsSpan(..2), weight.AsSpan(..2));
        var (last, lastSquares) = GatedNormReference.ApplyUnscaled(input.AsSpan(2..), gate.AsSpan(2..), weight.AsSpan(2..));

        Assert.Equal(25, firstSquares);
        Assert.Equal(5.25, lastSquares);
        var scale = 1 / Math.Sqrt(((firstSquares + lastSquares) / 5) + 1e-6);
        Assert.Equal(GatedNormReference.Apply(input, gate, weight, 1e-6), first.Concat(last).Select(value => value * scale));
    }

    [Fact]
    public void A_row_of_zeros_stays_zero() => Assert.Equal([0.0, 0.0], GatedNormReference.Apply([0, 0], [1, 1], [1, 1], epsilon: 1e-6));
}
