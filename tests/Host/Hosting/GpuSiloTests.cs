using Loire.Contracts;
using Loire.Engine.Placement;
using Loire.Engine.Replica;
using Loire.Silo;
using Loire.Silo.Models;
using Loire.Silo.Placement;
using Loire.Silo.Replicas;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Orleans;
using Orleans.Runtime;

namespace Loire.Host.Tests;

/// <summary>The grains of a replica on three GPUs, two of which share a stage, over a scripted engine: what they say of themselves.</summary>
public sealed class GpuSiloTests : IAsyncLifetime
{
    private readonly string _directory = Directory.CreateTempSubdirectory("loire-gpu-silo-").FullName;
    private readonly ScriptedFactory _scripted = new();
    private IHost _host = null!; // set up in InitializeAsync

    private IGrainFactory Grains => _host.Services.GetRequiredService<IGrainFactory>();

    private string Replica => $"bytes/{_host.Services.GetRequiredService<ILocalSiloDetails>().Name}";

    public async Task InitializeAsync()
    {
        var options = new SiloOptions
        {
            ModelFolders = [_directory],
            DataDirectory = Path.Combine(_directory, "data"),
            Cuda = new CudaOptions { Groups = new GpuGroups([[0, 1], [2]]) },
        };
        var plans = new GpuPlans(options, NullLogger<GpuPlans>.Instance, only => new GpuInventory([.. only!.Devices.Select(device => new GpuRoom(device, "H", 80_000_000_000, 85_000_000_000))], []));
        var builder = Microsoft.Extensions.Hosting.Host.CreateApplicationBuilder();
        builder.Logging.ClearProviders();
        builder.Services.AddSingleton(new ModelCatalog([GpuPlacementTests.Demo]));
        builder.Services.AddSingleton(plans);
        builder.Services.AddSingleton<IReplicaEngineFactory>(new ScriptedJoin(new CudaEngineFactory(plans), _scripted));
        builder.AddLoireSilo(options);
        _host = builder.Build();
        await _host.StartAsync();
        await Grains.GetGrain<IReplicaGrain>(Replica).LoadAsync();
    }

    public async Task DisposeAsync()
    {
        await _host.StopAsync();
        await ((IAsyncDisposable)_host).DisposeAsync();
        Directory.Delete(_directory, recursive: true);
    }

    [Fact]
    public async Task The_cluster_shows_each_stage_with_its_group_and_each_shard_with_its_GPU()
    {
        var view = await Grains.GetGrain<IClusterGrain>(IClusterGrain.Key).GetAsync();
        var replica = Assert.Single(view.Replicas);

        Assert.True(replica.Ready);
        Assert.Equal([("cuda:0", "H", 85_000_000_000), ("cuda:1", "H", 85_000_000_000), ("cuda:2", "H", 85_000_000_000)], view.Devices.Select(device => (device.Name, device.Description, device.MemoryBytes)));
        Assert.Equal(["cuda:0+1", "cuda:2"], replica.Stages.Select(stage => stage.Device));
        Assert.Equal((0, 8), (replica.Stages[0].FirstLayer, replica.Stages[1].EndLayer));
        var cut = replica.Stages[0].EndLayer;
        Assert.Equal(cut, replica.Stages[1].FirstLayer);
        Assert.Equal(
            [("cuda:0", 0, 4, 0, cut), ("cuda:1", 4, 8, 0, cut), ("cuda:2", 0, 8, cut, 8)],
            replica.Router!.Shards.Select(shard => (shard.Device, shard.FirstExpert, shard.EndExpert, shard.FirstLayer!.Value, shard.EndLayer!.Value)));
        Assert.Equal(8, replica.Router.ExpertLoad.Length);
    }

    [Fact]
    public async Task Parts_say_what_their_weights_take()
    {
        var replica = await Grains.GetGrain<IReplicaGrain>(Replica).GetAsync();

        // 17 million parameters in two bytes; the embedding is twice on the first stage, and routers and norms are on each GPU.
        var shards = replica.Router!.Shards.Select(shard => shard.WeightBytes).ToArray();
        Assert.Equal(shards[0], shards[1]);
        Assert.InRange(shards.Sum() + replica.Stages.Sum(stage => stage.WeightBytes), 34_000_000, 40_000_000);
    }

    [Fact]
    public async Task A_conversation_runs_and_a_shard_on_a_GPU_stays_where_it_is()
    {
        var events = await World.ReadAsync(Grains.GetGrain<ISessionGrain>(new SessionKey(SessionKey.LocalOwner, "chat").ToString()).RunTurnAsync(World.Request("hello", "t1")));
        var refused = await Assert.ThrowsAsync<ClusterException>(() => Grains.GetGrain<IRouterGrain>(Replica).MoveShardAsync(1, "elsewhere"));

        Assert.Equal("ok", World.TextOf(events));
        Assert.Equal(FailureCode.InvalidRequest, refused.Code);
        Assert.Contains("is on cuda:1", refused.Message);
    }

    [Fact]
    public void A_part_that_is_planned_for_a_CPU_is_refused()
    {
        var factory = _host.Services.GetRequiredService<IReplicaEngineFactory>();
        var shard = new ShardPlan("bytes", "bytes", 1, 0, 4, PlacementPlanner.CpuDevice);

        Assert.Contains("--device cpu", Assert.Throws<ClusterException>(() => factory.LoadShard(GpuPlacementTests.Demo, shard, new Progress<double>())).Message);
    }

    /// <summary>The parts are those of GPUs; the engine over them is scripted.</summary>
    private sealed class ScriptedJoin(CudaEngineFactory parts, ScriptedFactory scripted) : IReplicaEngineFactory
    {
        public ICpuStage LoadStage(ServedModel model, StagePlan plan, IProgress<double> progress) => parts.LoadStage(model, plan, progress);

        public ICpuShard LoadShard(ServedModel model, ShardPlan plan, IProgress<double> progress) => parts.LoadShard(model, plan, progress);

        public IReplicaEngine Join(ServedModel model, IReadOnlyList<ICpuStage> stages, IReadOnlyList<ICpuShard> shards, EngineOptions options) =>
            scripted.Join(model, stages, shards, options);
    }
}
