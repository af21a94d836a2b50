using Loire.Kernels;

namespace Loire.Gpu.Tests.Kernels;

public sealed class RouterTests(Gpu gpu) : IClassFixture<Gpu>
{
    [GpuTheory]
    [InlineData(1, 6144, 32, 2, SharedGateMode.None, ElementType.BFloat16)]
    [InlineData(70, 1000, 40, 8, SharedGateMode.Sigmoid, ElementType.BFloat16)]
    [InlineData(5, 33, 1000, 16, SharedGateMode.Softmax, ElementType.Float32)]
    [InlineData(32, 256, 64, 32, SharedGateMode.None, ElementType.Float32)]
    [InlineData(256, 256, 32, 2, SharedGateMode.None, ElementType.BFloat16)]
    [InlineData(700, 64, 8, 2, SharedGateMode.None, ElementType.Float32)]
    [InlineData(600, 40, 33, 3, SharedGateMode.Sigmoid, ElementType.BFloat16)]
    [InlineData(3, 7, 1, 1, SharedGateMode.None, ElementType.Float32)]
    public void The_best_experts_are_chosen_with_weights_that_sum_to_what_is_theirs(int rows, int hidden, int experts, int topK, SharedGateMode mode, ElementType type)
    {
        var x = Numbers.Normal(1, rows * hidden);
        var w = ElementBuffer.Kept(Numbers.Normal(2, experts * hidden, 1 / Math.Sqrt(hidden)), type);
        var coefficient = ElementBuffer.Kept(Numbers.Normal(3, hidden, 1 / Math.Sqrt(hidden)), type);

        var routed = Route(x, w, coefficient, (rows, hidden, experts, topK), mode, type);

        var heard = Heard(mode, x, coefficient, hidden);
        var logits = LinearReference.Apply(x, w, hidden);
        for (var row = 0; row < rows; row++)
        {
            CheckRow(logits.AsSpan(row * experts, experts), routed.Chosen.AsSpan(row * topK, topK), routed.Weights.AsSpan(row * topK, topK), heard[row]);
        }

        if (mode is not SharedGateMode.None)
        {
            KernelAssert.Close(heard, routed.SharedWeights, KernelAssert.FloatRounding);
        }

        var groups = RouterReference.Group(routed.Chosen, experts);
        Assert.Equal(groups.Offsets, routed.Offsets);
        Assert.Equal(groups.Order, routed.Order);
    }

    [GpuFact]
    public void The_lower_expert_wins_a_tie()
    {
        var routed = Route([.. Enumerable.Repeat(1f, 64)], [.. Enumerable.Repeat(0.5f, 64 * 37)], new float[64], (1, 64, 37, 3), SharedGateMode.None, ElementType.Float32);

        Assert.Equal([0, 1, 2], routed.Chosen);
    }

    [GpuFact]
    public void A_row_of_NaN_chooses_different_experts_with_weights_of_NaN()
    {
        var routed = Route([.. Enumerable.Repeat(float.NaN, 64)], Numbers.Normal(1, 64 * 8), new float[64], (1, 64, 8, 2), SharedGateMode.None, ElementType.Float32);

        Assert.Equal([0, 1], routed.Chosen);
        Assert.All(routed.Weights, weight => Assert.Equal(float.NaN, weight));
    }

    [GpuFact]
    public void A_row_chooses_with_the_same_bits_in_any_batch_of_few_rows_and_in_any_of_many()
    {
        var x = Numbers.Normal(1, 500 * 512);
        var w = Numbers.Rounded(Numbers.Normal(2, 32 * 512, 0.05));

        var batched = Route(x, w, new float[512], (500, 512, 32, 2), SharedGateMode.None, ElementType.BFloat16);
        var fewer = Route(x[^(20 * 512)..], w, new float[512], (20, 512, 32, 2), SharedGateMode.None, ElementType.BFloat16);
        var few = Route(x[^(16 * 512)..], w, new float[512], (16, 512, 32, 2), SharedGateMode.None, ElementType.BFloat16);
        var alone = Route(x[^512..], w, new float[512], (1, 512, 32, 2), SharedGateMode.None, ElementType.BFloat16);

        Assert.Equal(batched.Chosen[^40..], fewer.Chosen);
        Assert.Equal(batched.Weights[^40..], fewer.Weights);
        Assert.Equal(few.Chosen[^2..], alone.Chosen);
        Assert.Equal(few.Weights[^2..], alone.Weights);
    }

    [GpuTheory]
    [InlineData(1, 64, 8, 2, ElementType.BFloat16)] // a block a logit
    [InlineData(3, 33, 1000, 16, ElementType.Float32)]
    [InlineData(16, 256, 32, 32, ElementType.BFloat16)]
    [InlineData(17, 64, 8, 2, ElementType.Float32)] // one block that chooses and sorts
    [InlineData(257, 256, 32, 2, ElementType.BFloat16)]
    [InlineData(600, 40, 33, 1, ElementType.Float32)]
    [InlineData(600, 64, 8, 2, ElementType.BFloat16)] // a warp a row
    [InlineData(1500, 40, 40, 3, ElementType.Float32)]
    public void Choices_are_counted_but_for_those_of_rows_on_the_spare_slot(int rows, int hidden, int experts, int topK, ElementType type)
    {
        const int SpareSlot = 70;
        const int More = 3; // experts of another layer
        int[] sequenceOfRow = [.. Enumerable.Range(0, rows).Select(row => row * 2 / 3)]; // one has two rows, the next has one
        int[] slot = [.. Numbers.Integers(4, sequenceOfRow[^1] + 1, 4).Select((some, sequence) => some == 0 ? SpareSlot : sequence % SpareSlot)];
        var before = Enumerable.Range(0, experts + More).Select(expert => (1L << 33) - 1 - expert).ToArray(); // beyond 32 bits
        using var deviceSequences = gpu.Upload(sequenceOfRow);
        using var deviceSlot = gpu.Upload(slot);
        using var counts = gpu.Upload(before);
        var x = Numbers.Normal(1, rows * hidden);
        var w = ElementBuffer.Kept(Numbers.Normal(2, experts * hidden, 1 / Math.Sqrt(hidden)), type);

        var routed = Route(x, w, new float[hidden], (rows, hidden, experts, topK), SharedGateMode.None, type, new ExpertLoad(counts.Vector, deviceSequences.Vector, deviceSlot.Vector, SpareSlot));

        var load = RouterReference.Load(routed.Chosen, experts, sequenceOfRow, slot, SpareSlot);
        Assert.Equal(before.Select((count, expert) => count + (expert < experts ? load[expert] : 0)), counts.Download());
    }

    [GpuTheory]
    [InlineData(1, 2)]
    [InlineData(257, 2)]
    [InlineData(600, 4)]
    public void Rows_that_are_all_on_the_spare_slot_count_for_nothing_and_choose_as_others_do(int rows, int topK)
    {
        var x = Numbers.Normal(1, rows * 64);
        var w = Numbers.Normal(2, 16 * 64, 0.1);
        using var sequences = gpu.Upload(Enumerable.Range(0, rows).ToArray());
        using var slot = gpu.Upload(Enumerable.Repeat(9, rows).ToArray());
        using var counts = gpu.Upload(new long[16]);

        var counted = Route(x, w, new float[64], (rows, 64, 16, topK), SharedGateMode.None, ElementType.Float32, new ExpertLoad(counts.Vector, sequences.Vector, slot.Vector, SpareSlot: 9));
        var uncounted = Route(x, w, new float[64], (rows, 64, 16, topK), SharedGateMode.None, ElementType.Float32);

        Assert.Equal(new long[16], counts.Download());
        Assert.Equal(uncounted.Chosen, counted.Chosen);
        Assert.Equal(uncounted.Weights, counted.Weights);
        Assert.Equal(uncounted.Order, counted.Order);
    }

    [GpuTheory]
    [InlineData(1, 1)]
    [InlineData(2, 32)]
    [InlineData(500, 3)]
    [InlineData(1000, 700)]
    public void Entries_are_sorted_by_expert_and_keep_their_order_within_one(int entries, int experts)
    {
        var chosen = Numbers.Integers(1, entries, experts);
        using var deviceChosen = gpu.Upload(chosen);
        using var offsets = gpu.Poisoned<int>(1, experts + 1);
        using var order = gpu.Poisoned<int>(1, entries);

        using var workspace = new StreamWorkspace(gpu.Device, gpu.Stream);
        new Router(gpu.Module("Router", ElementType.Float32), workspace).Group(gpu.Stream, deviceChosen.Vector, new ExpertGroups(offsets.Vector, order.Vector));

        var expected = RouterReference.Group(chosen, experts);
        Assert.Equal(expected.Offsets, offsets.Download());
        Assert.Equal(expected.Order, order.Download());
    }

    /// <summary>The choice is by falling logits, and no expert that was not chosen has a greater one, but for rounding.</summary>
    private static void CheckRow(ReadOnlySpan<float> logits, ReadOnlySpan<int> chosen, ReadOnlySpan<float> weights, double heard)
    {
        const float rounding = 1e-4f;
        var own = new float[chosen.Length];
        for (var i = 0; i < chosen.Length; i++)
        {
            own[i] = logits[chosen[i]];
            Assert.True(i == 0 || own[i] <= own[i - 1] + rounding, $"Choice {i} has a greater logit than the one before.");
        }

        var all = logits.ToArray().OrderDescending().ToArray();
        Assert.Equal(chosen.Length, chosen.ToArray().Distinct().Count());
        Assert.True(own.Min() >= all[chosen.Length - 1] - rounding, "An expert with a greater logit was not chosen.");
        var expected = RouterReference.Choose(own, own.Length, heard).Weights;
        KernelAssert.Close([.. expected.OrderDescending()], [.. weights.ToArray().OrderDescending()], rounding);
    }

    private (int[] Chosen, float[] Weights, float[] SharedWeights, int[] Offsets, int[] Order) Route(
        float[] x, float[] w, float[] coefficient, (int Rows, int Hidden, int Experts, int TopK) shape, SharedGateMode mode, ElementType type, ExpertLoad load = default)
    {
        using var deviceX = gpu.Upload(x, shape.Rows, shape.Hidden);
        using var deviceW = gpu.Upload(w, type);
        using var deviceCoefficient = gpu.Upload(coefficient, type);
        using var chosen = gpu.Poisoned<int>(shape.Rows, shape.TopK);
        using var weights = gpu.Poisoned<float>(shape.Rows, shape.TopK);
        using var sharedWeights = gpu.Poisoned<float>(shape.Rows, 1);
        using var offsets = gpu.Poisoned<int>(1, shape.Experts + 1);
        using var order = gpu.Poisoned<int>(1, shape.Rows * shape.TopK);
        using var workspace = new StreamWorkspace(gpu.Device, gpu.Stream);
        new Router(gpu.Module("Router", type), workspace).Route(
            gpu.Stream, deviceX.Matrix, deviceW.Address, new SharedGate(mode, deviceCoefficient.Address), new RouterChoice(chosen.Matrix, weights.Matrix, sharedWeights.Address), new ExpertGroups(offsets.Vector, order.Vector), load);
        return (chosen.Download(), weights.Download(), sharedWeights.Download(), offsets.Download(), order.Download());
    }

    private static float[] Heard(SharedGateMode mode, float[] x, float[] coefficient, int hidden) => mode switch
    {
        SharedGateMode.Sigmoid => LinearReference.Apply(x, coefficient, hidden, Activation.Sigmoid),
        SharedGateMode.Softmax => [.. Enumerable.Repeat(1f, x.Length / hidden)],
        _ => new float[x.Length / hidden],
    };
}
