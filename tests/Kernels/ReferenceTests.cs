namespace Loire.Kernels.Tests;

/// <summary>The references against sums that a person can do.</summary>
public sealed class ReferenceTests
{
    [Fact]
    public void A_product_is_a_sum_over_the_depth()
    {
        float[] x = [1, 2, 3, 4];
        float[] w = [1, 0, 0, 1, 1, -1];

        Assert.Equal([1, 2, -1, 3, 4, -1], LinearReference.Apply(x, w, depth: 2));
        Assert.Equal(0.5f, LinearReference.Apply([0f], [1f], 1, Activation.Sigmoid)[0]);
        Assert.Equal(2 / (1 + MathF.Exp(-2)), LinearReference.Apply([2f], [1f], 1, Activation.Silu)[0], 1e-6f);
    }

    [Fact]
    public void A_norm_divides_by_the_root_mean_square()
    {
        var stream = AddNormReference.Residual([1, 1], 2, [1, 2, 3, 4], [1, 0.5f], 2, hidden: 2);

        Assert.Equal([7, 10], stream);
        Assert.Equal([3 / MathF.Sqrt(12.5f), 8 / MathF.Sqrt(12.5f)], AddNormReference.Norm([3, 4], [1, 2], 0));
    }

    [Fact]
    public void Squares_of_all_choices_norm_the_sum_of_the_terms()
    {
        var scales = AddNormReference.Scales([3, 5, 0, 0], choices: 2, width: 2, epsilon: 0.25);

        Assert.Equal([1 / Math.Sqrt(4.25), 2], scales);
        Assert.Equal([2 + (3 * 2 * 7f)], AddNormReference.Residual([1], 2, [5, 2], [1, 1], 3, hidden: 1, scales: [2]));
    }

    [Fact]
    public void A_choice_is_a_softmax_over_the_best()
    {
        var (experts, weights) = RouterReference.Choose([0, MathF.Log(3), -5, 0], topK: 2, shared: 0.5);

        Assert.Equal([1, 0], experts);
        Assert.Equal(0.375f, weights[0], 1e-6f);
        Assert.Equal(0.125f, weights[1], 1e-6f);
    }

    [Fact]
    public void Entries_of_an_expert_keep_their_order()
    {
        var (offsets, order) = RouterReference.Group([2, 0, 2, 0], experts: 4);

        Assert.Equal([0, 2, 2, 4, 4], offsets);
        Assert.Equal([1, 3, 0, 2], order);
    }

    [Fact]
    public void Rows_of_the_spare_slot_count_for_no_expert() =>
        Assert.Equal([1, 0, 2, 1], RouterReference.Load([2, 0, 3, 2, 1, 2], experts: 4, sequenceOfRow: [0, 0, 1], slot: [5, 9], spareSlot: 9));

    [Fact]
    public void An_expert_is_gate_times_up_then_down()
    {
        float[] gateUp = [1, 2]; // one expert, width 1, hidden 1
        float[] down = [3];

        var y = ExpertsReference.Apply([2], gateUp, down, [0], topK: 1, hidden: 1, width: 1, value => value);

        Assert.Equal(2 / (1 + MathF.Exp(-2)) * 4 * 3, y[0], 1e-5f);
    }

    [Fact]
    public void The_lowest_token_is_taken_of_equals()
    {
        Assert.Equal(1, GreedySamplingReference.Choose([0, 1, 1]).Token);
        Assert.Equal(-MathF.Log(2), GreedySamplingReference.Choose([1, 1]).LogProb, 1e-6f);
        Assert.Equal([(1, 1f), (2, 1f), (0, 0f), (-1, float.NegativeInfinity)], TopCandidatesReference.Choose([0, 1, 1], 4));
    }
}
