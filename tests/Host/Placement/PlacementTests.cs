using Loire.Contracts;
using Loire.Engine.Replica;
using Loire.Silo;
using Loire.Silo.Links;
using Loire.Silo.Models;
using Loire.Silo.Placement;

namespace Loire.Host.Tests;

public sealed class PlacementTests
{
    [Theory]
    [InlineData(1, 1)]
    [InlineData(2, 4)]
    [InlineData(3, 3)]
    [InlineData(4, 8)]
    public void A_plan_covers_every_layer_and_expert_once(int stages, int shards)
    {
        var plan = PlacementPlanner.Plan(World.Model, Options(stages, shards), "here", gpus: null);

        Assert.Equal(Enumerable.Range(0, 4), plan.Stages.SelectMany(stage => Enumerable.Range(stage.FirstLayer, stage.EndLayer - stage.FirstLayer)));
        Assert.Equal(Enumerable.Range(0, 8), plan.Shards.SelectMany(shard => Enumerable.Range(shard.FirstExpert, shard.EndExpert - shard.FirstExpert)));
        Assert.Equal(8, RouterGrain.OwnersOf(plan.Shards).Length);
        Assert.All(RouterGrain.OwnersOf(plan.Shards), (owner, expert) => Assert.InRange(expert, plan.Shards[owner].FirstExpert, plan.Shards[owner].EndExpert - 1));
    }

    [Theory]
    [InlineData(5, 1, "Stages")]
    [InlineData(1, 9, "ExpertShards")]
    public void A_plan_that_does_not_fit_names_the_option(int stages, int shards, string option)
    {
        var refused = Assert.Throws<ClusterException>(() => PlacementPlanner.Plan(World.Model, Options(stages, shards), "here", gpus: null));

        Assert.Equal(option, refused.Field);
        Assert.StartsWith($"{option} is {Math.Max(stages, shards)}", refused.Message);
    }

    [Fact]
    public void A_model_without_experts_has_no_shards() =>
        Assert.Empty(PlacementPlanner.Plan(World.Model with { Experts = 0 }, Options(1, 1), "here", gpus: null).Shards);

    [Fact]
    public void An_endpoint_of_another_silo_is_refused_by_name()
    {
        using var links = new TensorLinks("here");
        using var stage = new FakeStage();
        var endpoint = links.Add("stage:m/0/0", stage);

        var plan = PlacementPlanner.Plan(World.Model, Options(1, 1), "here", gpus: null).Stages[0];

        Assert.Same(stage, links.Stage(endpoint, plan));
        Assert.Contains("there", Assert.Throws<ClusterException>(() => links.Stage(endpoint with { Silo = "there" }, plan)).Message);
        Assert.Throws<ClusterException>(() => links.Shard(endpoint));
        Assert.Throws<ClusterException>(() => links.Stage(endpoint with { Name = "stage:m/0/1" }, plan));
    }

    [Fact]
    public void Links_dispose_what_they_hold()
    {
        var stage = new FakeStage();
        using (var links = new TensorLinks("here"))
        {
            links.Add("stage:m/0/0", stage);
        }

        Assert.True(stage.IsDisposed);
    }

    [Fact]
    public void Two_models_of_one_name_are_refused() =>
        Assert.Contains("bytes", Assert.Throws<ArgumentException>(() => new ModelCatalog([World.Model, World.Model])).Message);

    private static SiloOptions Options(int stages, int shards) =>
        new() { ModelFolders = ["."], DataDirectory = "data", Stages = stages, ExpertShards = shards };

    private sealed class FakeStage : ICpuStage
    {
        public int FirstLayer => 0;

        public int EndLayer => 4;

        public long WeightBytes => 1;

        public bool IsDisposed { get; private set; }

        public void Dispose() => IsDisposed = true;
    }
}
