using System.Collections.Immutable;
using Loire.Engine.Models;
using Loire.Engine.Placement;
using Loire.Kernels;

namespace Loire.Engine.Tests.Placement;

/// <summary>Which GPUs are taken when nobody names them.</summary>
public sealed class GpuChoiceTests
{
    private static readonly GpuSizes s_sizes = new(ElementType.BFloat16, Slots: 64, Pages: 1024, Rows: 2048, LogitsRows: 64);

    [Fact]
    public void A_model_that_fits_one_GPU_takes_the_first_that_has_room()
    {
        var graph = PlacementModels.Small();

        Assert.Equal("0", Choose(graph, Linked(8, 80)));
        Assert.Equal("0", Choose(graph, Linked(1, 80)));
        Assert.Equal("2", Choose(graph, Of([0, 0.1, 8, 80], Every(4))));
    }

    [Theory]
    [InlineData(8, 150, "0+1+2+3+4+5+6+7")] // seven stages would do, and be slower
    [InlineData(16, 150, "0+1+2+3+4+5+6+7")]
    [InlineData(3, 1100, "0")]
    [InlineData(3, 600, "0+1")]
    [InlineData(4, 400, "0+1+2+3")] // three stages would do
    public void GPUs_that_are_linked_share_the_layers(int count, double gigabytes, string expected) =>
        Assert.Equal(expected, Choose(PlacementModels.MiniMax01, Linked(count, gigabytes)));

    [Theory]
    [InlineData(12, 98, "0+1+2+3,4+5+6+7+8+9+10+11")] // 12 cannot share 8 key-value heads
    [InlineData(3, 380, "0,1+2")]
    [InlineData(6, 174, "0+1,2+3+4+5")]
    public void Where_the_number_does_not_divide_there_are_stages(int count, double gigabytes, string expected) =>
        Assert.Equal(expected, Choose(PlacementModels.MiniMax01, Linked(count, gigabytes)));

    [Fact]
    public void GPUs_without_links_are_stages()
    {
        Assert.Equal("0,1,2,3,4,5,6", Choose(PlacementModels.MiniMax01, Of(Repeat(8, 150), [])));
        Assert.Equal("0+2,1+3", Choose(PlacementModels.MiniMax01, Of(Repeat(4, 300), [(0, 2), (1, 3)])));
        Assert.Equal("0,1", Choose(PlacementModels.MiniMax01, Of(Repeat(2, 600), [])));
    }

    [Fact]
    public void GPUs_of_different_kinds_do_not_share_layers()
    {
        var inventory = Linked(2, 600);
        inventory = inventory with { Gpus = inventory.Gpus.SetItem(1, inventory.Gpus[1] with { Name = "another" }) };

        Assert.Equal("0,1", Choose(PlacementModels.MiniMax01, inventory));
    }

    [Fact]
    public void A_large_GPU_gets_more_layers_than_a_small_one()
    {
        var inventory = Of([800, 300], []);
        var plan = GpuPlan.Choose(PlacementModels.MiniMax01, s_sizes, inventory);

        Assert.Equal("0,1", plan.Groups.ToString());
        Assert.InRange(plan.Stages[0].EndLayer, 52, 64);
        Audit(PlacementModels.MiniMax01, s_sizes, inventory, plan);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(3)]
    [InlineData(7)]
    public void What_fits_nowhere_is_told_with_what_it_needs_and_what_there_is(int count)
    {
        var refused = Assert.Throws<NotSupportedException>(() => GpuPlan.Choose(PlacementModels.MiniMax01, s_sizes, Linked(count, 100)));

        Assert.Matches(@"needs 9\d\d\.\d GB of weights, 2\d\.\d GB of states and pages", refused.Message);
        Assert.Contains(count == 0 ? "there is no GPU" : $"GPU {count - 1} (H) with 100.0 GB free of 100.0 GB", refused.Message);
        Assert.Contains("Lower Engine:Slots, of 293.6 MB each", refused.Message);
        Assert.Contains("from 64 and 65,536", refused.Message);
        Assert.Equal(count is 3 or 7, refused.Message.Contains("Group sizes that would do: 1, 2, 4, 8."));
    }

    [Fact]
    public void A_GPU_that_refuses_a_context_counts_as_full_and_its_words_are_passed_on()
    {
        var inventory = Of([0, 100], []);
        inventory = inventory with { Gpus = inventory.Gpus.SetItem(0, inventory.Gpus[0] with { Refusal = "cuDevicePrimaryCtxRetain failed on GPU 0 with EccUncorrectable (214)." }) };

        var refused = Assert.Throws<NotSupportedException>(() => GpuPlan.Choose(PlacementModels.MiniMax01, s_sizes, inventory));

        Assert.EndsWith(" GPU 0 counts as full: cuDevicePrimaryCtxRetain failed on GPU 0 with EccUncorrectable (214).", refused.Message);
    }

    [Fact]
    public void A_reserve_is_left()
    {
        var graph = PlacementModels.Small();
        var need = new StageBytes(graph, s_sizes, GpuShare.Whole, mostStages: 1).Of(0, 8).Total;

        Assert.Throws<NotSupportedException>(() => GpuPlan.Choose(graph, s_sizes, Of([need * 1.03 / 1e9], [])));
        Assert.Equal("0", Choose(graph, Of([need * 1.07 / 1e9], [])));
    }

    [Fact]
    public void What_another_model_takes_is_not_there_twice()
    {
        var inventory = Linked(2, 2);
        var graph = PlacementModels.Small();
        var first = GpuPlan.Choose(graph, s_sizes, inventory);
        var rest = inventory.Without(new Dictionary<int, long> { [0] = 1_900_000_000 });

        Assert.Equal("0", first.Groups.ToString());
        Assert.Equal("1", Choose(graph, rest));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public void Any_inventory_gets_the_plan_of_fewest_stages_that_needs_less_than_twice_the_fewest_GPUs(int seed)
    {
        var random = new Random(seed);
        var found = 0;
        for (var round = 0; round < 60; round++)
        {
            var graph = PlacementModels.Small(layers: random.Next(1, 9), heads: 4, keyValueHeads: random.Next(2) == 0 ? 2 : 4, vocabulary: random.Next(2) == 0 ? 32_000 : 32_001);
            var need = new StageBytes(graph, s_sizes, GpuShare.Whole, mostStages: 1).Of(0, graph.Layers.Length).Total;
            var inventory = Of(
                [.. Enumerable.Range(0, random.Next(0, 5)).Select(_ => need * (0.3 + random.NextDouble()) / 1e9)],
                [.. Every(4).Where(_ => random.Next(3) > 0)]);
            GpuPlan? plan = null;
            try
            {
                plan = GpuPlan.Choose(graph, s_sizes, inventory);
                found++;
                Audit(graph, s_sizes, inventory, plan);
                Assert.Equal(plan, GpuPlan.Choose(graph, s_sizes, inventory));
            }
            catch (NotSupportedException refused)
            {
                Assert.Contains("needs", refused.Message);
            }

            var fitting = AllGroups(graph, inventory).Where(groups => GpuPlan.CutToFit(graph, s_sizes, inventory, groups).Fill <= 1).ToArray();
            Assert.Equal(fitting.Length > 0, plan is not null);
            if (plan is not null)
            {
                var fewest = fitting.Min(groups => groups.Devices.Count());
                var best = fitting.Where(groups => groups.Devices.Count() < 2 * fewest).Min(groups => (groups.Stages.Length, groups.Devices.Count()));
                Assert.Equal(best, (plan.Stages.Length, plan.Gpus.Count()));
            }
        }

        Assert.InRange(found, 10, 59);
    }

    /// <summary>Every layer once, every GPU once and within what it may take, groups of linked GPUs of one kind.</summary>
    private static void Audit(ModelGraph graph, GpuSizes sizes, GpuInventory inventory, GpuPlan plan)
    {
        Assert.Equal(Enumerable.Range(0, graph.Layers.Length), plan.Stages.SelectMany(stage => Enumerable.Range(stage.FirstLayer, stage.EndLayer - stage.FirstLayer)));
        Assert.All(plan.Stages, stage => Assert.True(stage.FirstLayer < stage.EndLayer));
        foreach (var (stage, take) in plan.Stages.Zip(plan.Takes(graph, sizes)))
        {
            Assert.All(stage.Devices, device => Assert.InRange(take.Total, 1, inventory.Find(device)!.UsableBytes));
            Assert.All(stage.Devices, device => Assert.Equal(inventory.Find(stage.Devices[0])!.Name, inventory.Find(device)!.Name));
            Assert.All(stage.Devices, one => Assert.All(stage.Devices, other => Assert.True(one == other || inventory.AreLinked(one, other))));
        }

        Assert.Equal(plan.Groups.Devices.Distinct(), plan.Groups.Devices);
        Assert.Equal(plan.Groups, GpuPlan.Of(graph, plan.Groups).Groups); // who names them by hand is not refused
    }

    /// <summary>All ways to put some of the GPUs into groups, and those into an order.</summary>
    private static IEnumerable<GpuGroups> AllGroups(ModelGraph graph, GpuInventory inventory) =>
        Orders(inventory, [.. inventory.Gpus.Select(gpu => gpu.Ordinal)])
            .Where(stages => stages.Length > 0 && stages.Length <= graph.Layers.Length)
            .Where(stages => stages.Select((group, i) => GroupRules.CanShare(graph, group.Length, i == stages.Length - 1)).All(can => can))
            .Select(stages => new GpuGroups(stages));

    private static IEnumerable<ImmutableArray<ImmutableArray<int>>> Orders(GpuInventory inventory, int[] left)
    {
        yield return [];
        for (var mask = 1; mask < 1 << left.Length; mask++)
        {
            ImmutableArray<int> group = [.. left.Where((_, i) => (mask >> i & 1) != 0)];
            if (group.All(one => group.All(other => one == other || inventory.AreLinked(one, other))))
            {
                foreach (var rest in Orders(inventory, [.. left.Except(group)]))
                {
                    yield return [group, .. rest];
                }
            }
        }
    }

    private static string Choose(ModelGraph graph, GpuInventory inventory) => GpuPlan.Choose(graph, s_sizes, inventory).Groups.ToString();

    private static GpuInventory Linked(int count, double gigabytes) => Of(Repeat(count, gigabytes), Every(count));

    private static double[] Repeat(int count, double gigabytes) => [.. Enumerable.Repeat(gigabytes, count)];

    private static (int, int)[] Every(int count) => [.. from one in Enumerable.Range(0, count) from other in Enumerable.Range(one + 1, count - one - 1) select (one, other)];

    private static GpuInventory Of(double[] gigabytes, (int, int)[] links) =>
        new([.. gigabytes.Select((size, i) => new GpuRoom(i, "H", (long)(size * 1e9), (long)(size * 1e9)))], [.. links]);
}
