using Loire.Engine.Placement;
using Loire.Kernels;

namespace Loire.Engine.Tests.Placement;

/// <summary>Cuts for GPUs that a person has named.</summary>
public sealed class GpuPlanTests
{
    [Theory]
    [InlineData("0")]
    [InlineData("0+1")]
    [InlineData("0,1")]
    [InlineData("3,1,2")]
    [InlineData("0+1,2+3")]
    [InlineData("0+1,2")]
    [InlineData("0,1,2,3,4,5,6,7")]
    public void A_plan_has_every_layer_once_in_order_and_every_GPU_where_it_was_named(string text)
    {
        var groups = Groups(text);
        var plan = GpuPlan.Of(PlacementModels.Small(), groups);

        Assert.Equal(groups, plan.Groups);
        Assert.Equal(0, plan.Stages[0].FirstLayer);
        Assert.Equal(8, plan.Stages[^1].EndLayer);
        Assert.All(plan.Stages, stage => Assert.True(stage.FirstLayer < stage.EndLayer));
        Assert.All(plan.Stages.Zip(plan.Stages.Skip(1)), pair => Assert.Equal(pair.First.EndLayer, pair.Second.FirstLayer));
        Assert.Equal(groups.Devices, plan.Gpus.Select(gpu => gpu.Device));
    }

    [Theory]
    [InlineData("0,1")]
    [InlineData("0,1,2")]
    [InlineData("0+1,2+3")]
    [InlineData("0+1+2+3,4+5+6+7")]
    [InlineData("0,1,2,3,4,5,6,7")]
    public void Stages_are_about_equal_in_bytes(string text)
    {
        var graph = PlacementModels.MiniMax01;
        var plan = GpuPlan.Of(graph, Groups(text));
        var weights = plan.Takes(graph, Sizes).Select(take => take.Weights).ToArray();
        var layer = new ModelBytes(graph, ElementType.BFloat16).Weights(graph.Layers[0], GpuShare.LargestOf(plan.Stages[0].Devices.Length));

        Assert.InRange(weights.Max() - weights.Min(), 0, layer * 3 / 2);
    }

    [Fact]
    public void A_group_of_two_has_twice_the_layers_of_a_group_of_one()
    {
        var plan = GpuPlan.Of(PlacementModels.MiniMax01, Groups("0+1,2"));

        Assert.InRange(plan.Stages[0].EndLayer, 51, 55); // the embedding, which both have whole, weighs less than half a layer
    }

    [Fact]
    public void The_embedding_counts_on_the_first_stage_and_the_output_on_the_last()
    {
        var plan = GpuPlan.Of(PlacementModels.Small(vocabulary: 64_000), Groups("0,1,2")); // each as much as many layers

        Assert.Equal([(0, 1), (1, 7), (7, 8)], plan.Stages.Select(stage => (stage.FirstLayer, stage.EndLayer)));
    }

    [Theory]
    [InlineData("0+1+2+3", "key-value heads of layer 3 are 2", "1, 2")]
    [InlineData("0+1+2", "vocabulary is 320", "1, 2")]
    [InlineData("0+1+2,3", "heads of layer 0 are 4", "1, 2")]
    public void A_figure_that_does_not_divide_is_named_with_the_sizes_that_would(string text, string figure, string sizes)
    {
        var refused = Assert.Throws<NotSupportedException>(() => GpuPlan.Of(PlacementModels.Small(), Groups(text)));

        Assert.Contains($"GPUs {text}", refused.Message);
        Assert.Contains(figure, refused.Message);
        Assert.EndsWith($"would do: {sizes}.", refused.Message);
    }

    [Fact]
    public void Experts_need_not_divide_but_each_GPU_has_one()
    {
        Assert.Single(GpuPlan.Of(PlacementModels.Small(heads: 8, keyValueHeads: 8, experts: 5), Groups("0+1+2+3")).Stages);

        var refused = Assert.Throws<NotSupportedException>(() => GpuPlan.Of(PlacementModels.Small(heads: 8, keyValueHeads: 8, experts: 3), Groups("0+1+2+3")));
        Assert.Contains("experts of layer 0 are 3, fewer than the 4 GPUs", refused.Message);
        Assert.EndsWith("1, 2.", refused.Message);
    }

    [Fact]
    public void The_widths_of_shared_experts_divide()
    {
        var graph = PlacementModels.WithSharedExperts(49);

        Assert.Contains("shared expert of layer 0 is 49", Assert.Throws<NotSupportedException>(() => GpuPlan.Of(graph, Groups("0+1"))).Message);
    }

    [Fact]
    public void The_vocabulary_is_shared_by_the_last_group_alone()
    {
        var graph = PlacementModels.Small(vocabulary: 321);

        Assert.Equal(2, GpuPlan.Of(graph, Groups("0+1,2")).Stages.Length);
        Assert.Contains("vocabulary is 321", Assert.Throws<NotSupportedException>(() => GpuPlan.Of(graph, Groups("2,0+1"))).Message);
    }

    [Fact]
    public void More_stages_than_layers_are_refused() =>
        Assert.Contains("8 layers", Assert.Throws<NotSupportedException>(() => GpuPlan.Of(PlacementModels.Small(), Groups("0,1,2,3,4,5,6,7,8"))).Message);

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void A_cut_is_the_best_of_all_cuts(int seed)
    {
        var random = new Random(seed);
        for (var round = 0; round < 100; round++)
        {
            var (layers, stages) = (random.Next(1, 9), random.Next(1, 5));
            if (stages > layers)
            {
                continue;
            }

            var costs = Enumerable.Range(0, layers).Select(_ => (double)random.Next(1, 20)).ToArray();
            var scales = Enumerable.Range(0, stages).Select(_ => (double)random.Next(1, 4)).ToArray();
            double Cost(int stage, int first, int end) => (costs[first..end].Sum() + (first == 0 ? 15 : 0)) / scales[stage];

            var (most, ends) = StageCut.Of(layers, stages, Cost);

            var all = Cuts(layers, stages).Select(cut => cut.Select((end, stage) => Cost(stage, stage == 0 ? 0 : cut[stage - 1], end)).Max());
            Assert.Equal(all.Min(), most);
            Assert.Equal(most, ends.Select((end, stage) => Cost(stage, stage == 0 ? 0 : ends[stage - 1], end)).Max());
            Assert.Equal(ends.Order().Distinct(), ends);
        }
    }

    [Fact]
    public void A_plan_is_told_a_line_a_stage()
    {
        var graph = PlacementModels.MiniMax01;
        var plan = GpuPlan.Of(graph, Groups("0+1+2+3,4+5+6+7"));
        var inventory = new GpuInventory([.. Enumerable.Range(0, 8).Select(i => new GpuRoom(i, "NVIDIA H200", 140_000_000_000, 150_000_000_000))], []);

        var lines = plan.Describe(graph, Sizes, inventory).Split(Environment.NewLine);

        Assert.Equal(2, lines.Length);
        Assert.Matches(@"^layers 0 to 39 on GPU 0\+1\+2\+3 \(NVIDIA H200\): 11\d\.\d GB of weights, \d+\.\d GB of states and pages, \d+\.\d [GM]B of activations on each; \d+\.\d GB left of 150\.0 GB$", lines[0]);
        Assert.StartsWith("layers 40 to 79 on GPU 4+5+6+7 (NVIDIA H200): ", lines[1]);
        Assert.Matches(@"more than the 140\.0 GB that are free$", GpuPlan.Of(graph, Groups("0")).Describe(graph, Sizes, inventory));
        Assert.Matches(@"of activations$", GpuPlan.Of(graph, Groups("0")).Describe(graph, Sizes));
    }

    private static GpuSizes Sizes { get; } = new(ElementType.BFloat16, Slots: 64, Pages: 1024, Rows: 2048, LogitsRows: 64);

    private static GpuGroups Groups(string text) => GpuGroups.TryParse(text, out var groups, out var error) ? groups : throw new ArgumentException(error, nameof(text));

    private static IEnumerable<int[]> Cuts(int layers, int stages) => stages == 1
        ? [[layers]]
        : Enumerable.Range(stages - 1, layers - stages + 1).SelectMany(last => Cuts(last, stages - 1).Select(cut => (int[])[.. cut, layers]));
}
