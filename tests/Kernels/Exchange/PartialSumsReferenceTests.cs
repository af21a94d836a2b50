namespace Loire.Kernels.Tests;

public sealed class PartialSumsReferenceTests
{
    [Fact]
    public void A_sum_has_its_own_terms_by_their_weights_and_the_shared_one()
    {
        float[] terms = [1, 2, float.NaN, float.NaN, 5, 6];

        var sum = PartialSumsReference.Row(hidden: 2, terms, weights: [2, 100, 0.5f], chosen: [4, 3, 7], firstExpert: 4, endExpert: 8, shared: [10, 20], sharedWeight: 3);

        Assert.Equal([2 + 2.5f + 30, 4 + 3 + 60], sum);
    }

    [Fact]
    public void Without_weights_and_choices_every_term_counts_once()
    {
        Assert.Equal([9, 12], PartialSumsReference.Row(hidden: 2, [1, 2, 3, 4, 5, 6], [], [], 0, 0));
        Assert.Equal([7, 8], PartialSumsReference.Row(hidden: 2, [], [], [], 0, 0, shared: [7, 8]));
    }

    [Fact]
    public void Every_term_counts_in_just_one_of_the_parts()
    {
        var random = new Random(5);
        const int hidden = 7;
        const int choices = 4;
        float[] terms = [.. Enumerable.Range(0, choices * hidden).Select(_ => (float)random.NextDouble() - 0.5f)];
        float[] weights = [.. Enumerable.Range(0, choices).Select(_ => (float)random.NextDouble())];
        int[] chosen = [9, 0, 5, 4];
        (int First, int End)[] parts = [(0, 4), (4, 5), (5, 5), (5, 10)];

        float[][] sums = [.. parts.Select(part => PartialSumsReference.Row(hidden, terms, weights, chosen, part.First, part.End))];

        var whole = AddNormReference.Residual(new float[hidden], 1, terms, weights, 1, hidden);
        var joined = AddNormReference.Residual(new float[hidden], 1, [.. sums.SelectMany(sum => sum)], [1, 1, 1, 1], 1, hidden);
        for (var i = 0; i < hidden; i++)
        {
            Assert.Equal(whole[i], joined[i], tolerance: 1e-6f); // a few roundings of numbers below 1
        }
    }
}
