namespace Loire.Kernels.Tests;

public sealed class AttentionReferenceTests
{
    [Fact]
    public void A_single_token_gives_its_value_back() =>
        Assert.Equal([7.0, -3.0], AttentionReference.Apply([100, 5], [2, 3], [7, -3], scale: 1));

    [Fact]
    public void Equal_scores_give_the_mean_of_the_values() =>
        Assert.Equal([2.0], AttentionReference.Apply([0], [5, -5], [1, 3], scale: 1));

    [Fact]
    public void Weights_are_powers_of_the_scaled_scores()
    {
        // Scores 0 and ln 3: weights 1/4 and 3/4.
        var output = AttentionReference.Apply([2], [0, (float)(Math.Log(3) / 2)], [0, 4], scale: 1);

        Assert.Equal(3.0, output[0], tolerance: 1e-6);
    }

    [Fact]
    public void Scores_far_above_what_an_exponential_holds_are_no_trouble() =>
        Assert.Equal([9.0], AttentionReference.Apply([1000], [1, 1000], [1, 9], scale: 1));
}
