using System.ComponentModel.DataAnnotations;
using Loire.Contracts;
using Loire.Silo;
using Loire.Silo.Placement;

namespace Loire.Host.Tests;

/// <summary>Where an operator may put stages and shards, and what he is told when he may not.</summary>
public sealed class PartPlacementTests
{
    private static readonly SiloOptions s_options = new() { ModelFolders = ["."], IsClustered = true };

    [Fact]
    public void Parts_go_where_the_layout_says_and_those_at_home_need_no_name()
    {
        var plan = PlacementPlanner.Plan(World.Model, s_options with { StageSilos = ["a", "b"], ShardSilos = ["b", "a", "c"] }, home: "a", gpus: null);

        Assert.Equal([null, "b"], plan.Stages.Select(stage => stage.Silo));
        Assert.Equal(["b", null, "c"], plan.Shards.Select(shard => shard.Silo));
        Assert.Equal(World.Model.Layers, plan.Stages[^1].EndLayer);
        Assert.All(plan.Stages, stage => Assert.Equal(plan.ModelDigest, stage.ModelDigest));
    }

    [Fact]
    public void Stage_0_is_at_home()
    {
        var refused = Assert.Throws<ClusterException>(() => PlacementPlanner.Plan(World.Model, s_options with { StageSilos = ["b", "a"] }, home: "a", gpus: null));

        Assert.Contains("Put 'a' first", refused.Message);
    }

    [Fact]
    public void More_silos_than_layers_are_refused() =>
        Assert.Throws<ClusterException>(() => PlacementPlanner.Plan(World.Model, s_options with { StageSilos = [.. Enumerable.Repeat("a", World.Model.Layers + 1)] }, home: "a", gpus: null));

    [Fact]
    public void Wrong_layouts_are_refused_by_name()
    {
        Assert.Contains("StageSilos has 'a/b'", Refusal(s_options with { StageSilos = ["a/b"] }));
        Assert.Contains("ShardSilos has ''", Refusal(s_options with { ShardSilos = ["a", ""] }));
        Assert.Contains("2 names for 3 parts", Refusal(s_options with { Stages = 3, StageSilos = ["a", "b"] }));
        Assert.Contains("runs no replica", Refusal(s_options with { LendsOnly = true, ShardSilos = ["a"] }));
        Assert.Contains("is alone", Refusal(s_options with { IsClustered = false, ShardSilos = ["a"] }));
    }

    [Fact]
    public void The_key_of_a_part_names_its_silo()
    {
        var replica = new ReplicaKey("model", "home-1");

        Assert.Equal("model/home-1/2", replica.Part(2));
        Assert.Equal("model/home-1/2", replica.Part(2, "home-1"));
        Assert.Equal("model/home-1/2@other", replica.Part(2, "other"));
        Assert.Equal("other", ReplicaKey.SiloOf(replica.Part(2, "other")));
        Assert.Equal("home-1", ReplicaKey.SiloOf(replica.Part(2)));
        Assert.Equal(replica, ReplicaKey.Parse(replica.Part(2, "other")));
    }

    private static string Refusal(SiloOptions options) => Assert.Throws<ValidationException>(options.Validated).Message;
}
