using Loire.Contracts;
using Loire.Engine.Models;
using Loire.Engine.Placement;
using Loire.Engine.Replica;
using Loire.Silo;
using Loire.Silo.Links;
using Loire.Silo.Models;
using Loire.Silo.Placement;
using Microsoft.Extensions.Logging.Abstractions;

namespace Loire.Host.Tests;

/// <summary>Stages and shards of a replica on GPUs, and which plan a silo makes for its models.</summary>
public sealed class GpuPlacementTests
{
    private static readonly SiloOptions s_options = new() { ModelFolders = ["."], DataDirectory = "data", Cuda = new CudaOptions { Groups = null } };

    /// <summary>8 layers of 8 experts each.</summary>
    internal static ServedModel Demo { get; } = World.Model with { Source = ModelFolder.Open(DemoModelTests.DemoFolder()), Layers = 8, Experts = 8 };

    [Fact]
    public void A_stage_is_a_group_and_a_shard_is_a_GPU_with_the_experts_of_its_stage()
    {
        var plan = PlacementPlanner.Plan(World.Model, s_options, "here", new GpuPlan([new(0, 3, [4, 2]), new(3, 4, [0])]));

        Assert.Equal([(0, 3, "cuda:4+2"), (3, 4, "cuda:0")], plan.Stages.Select(stage => (stage.FirstLayer, stage.EndLayer, stage.Device)));
        Assert.Equal(
            [("cuda:4", 0, 4, 0, 3), ("cuda:2", 4, 8, 0, 3), ("cuda:0", 0, 8, 3, 4)],
            plan.Shards.Select(shard => (shard.Device, shard.FirstExpert, shard.EndExpert, shard.FirstLayer!.Value, shard.EndLayer!.Value)));
        Assert.Equal([0, 1, 2], plan.Shards.Select(shard => shard.Shard));
        Assert.Equal([0, 0, 0, 0, 1, 1, 1, 1], RouterGrain.OwnersOf(plan.Shards).ToArray());
        Assert.All(plan.Shards, shard => Assert.Null(shard.Silo));
        Assert.Empty(PlacementPlanner.Plan(World.Model with { Experts = 0 }, s_options, "here", new GpuPlan([new(0, 4, [0])])).Shards);
    }

    [Fact]
    public void A_silo_plans_a_model_once_and_leaves_out_what_another_takes()
    {
        var read = 0;
        var plans = new GpuPlans(s_options, NullLogger<GpuPlans>.Instance, only =>
        {
            Assert.Null(only);
            read++;
            return new GpuInventory([new(0, "H", 700_000_000, 700_000_000), new(1, "H", 700_000_000, 700_000_000), new(2, "H", 0, 700_000_000)], []);
        });
        var (first, second) = (Demo, Demo with { Id = "second" });

        Assert.Empty(plans.Gpus);
        Assert.Equal("0", plans.PlanOf(first)!.Groups.ToString());
        Assert.Equal("1", plans.PlanOf(second)!.Groups.ToString());
        Assert.Same(plans.PlanOf(first), plans.PlanOf(first));
        Assert.Equal(1, read);
        Assert.Equal([0, 1], plans.Gpus.Select(gpu => gpu.Ordinal));
        Assert.StartsWith("layers 0 to 7 on GPU 0 (H): ", plans.Describe(first));
        Assert.Equal(plans.PlanOf(second), plans.OptionsOf(second).Plan);
        Assert.Contains("'third'", Assert.Throws<ClusterException>(() => plans.PlanOf(Demo with { Id = "third" })).Message);
    }

    [Fact]
    public void GPUs_that_are_named_are_asked_and_no_others()
    {
        GpuGroups? asked = null;
        var plans = new GpuPlans(
            s_options with { Cuda = new CudaOptions { Groups = new GpuGroups([[0, 1], [2]]) } },
            NullLogger<GpuPlans>.Instance,
            only => new GpuInventory([.. (asked = only)!.Devices.Select(device => new GpuRoom(device, "H", 1_000_000_000, 1_000_000_000))], []));

        Assert.Equal(2, plans.PlanOf(Demo)!.Stages.Length);
        Assert.Equal("0+1,2", asked!.ToString());
    }

    [Fact]
    public void A_group_that_cannot_share_the_model_is_refused_by_the_setting()
    {
        var plans = new GpuPlans(s_options with { Cuda = new CudaOptions { Groups = new GpuGroups([[0, 1, 2]]) } }, NullLogger<GpuPlans>.Instance, _ => new GpuInventory([], []));

        var refused = Assert.Throws<ClusterException>(() => plans.PlanOf(Demo));

        Assert.Equal("Cuda", refused.Field);
        Assert.Contains("Group sizes that would do: 1, 2.", refused.Message);
    }

    [Fact]
    public void A_silo_on_the_CPU_or_one_that_only_lends_has_no_plan()
    {
        Assert.Null(new GpuPlans(s_options with { Cuda = null }, NullLogger<GpuPlans>.Instance).PlanOf(World.Model));
        Assert.Null(new GpuPlans(s_options with { LendsOnly = true }, NullLogger<GpuPlans>.Instance).PlanOf(World.Model));
    }
}
