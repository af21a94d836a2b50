using Loire.Contracts;
using Loire.Engine.Replica;
using Loire.Silo;
using Loire.Text;
using Orleans;
using Orleans.TestingHost;

namespace Loire.Host.Tests;

/// <summary>One replica of the demo model over three silos, through the grains: stages on two, experts on three, sessions at its home only.</summary>
public sealed class SplitReplicaTests : IAsyncLifetime
{
    private const string Home = "Silo_0";

    private readonly string _data = Directory.CreateTempSubdirectory("loire-split-").FullName;
    private readonly string _model = DemoModelTests.DemoFolder();
    private InProcessTestCluster _cluster = null!; // set up in InitializeAsync

    private IGrainFactory Grains => _cluster.Client;

    private IRouterGrain Router => Grains.GetGrain<IRouterGrain>($"{Path.GetFileName(_model)}/{Home}");

    public async Task InitializeAsync()
    {
        var builder = new InProcessTestClusterBuilder(3);
        builder.ConfigureSiloHost((silo, host) => host.AddLoireSilo(OptionsOf(silo.SiloName), _ => { }));
        _cluster = builder.Build();
        await _cluster.DeployAsync();
        await LoadedAsync();
    }

    /// <summary>The home begins to load before its parts' silos have joined, and tries again.</summary>
    private async Task LoadedAsync()
    {
        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        while (true)
        {
            try
            {
                await Grains.GetGrain<IReplicaGrain>($"{Path.GetFileName(_model)}/{Home}").LoadAsync();
                return;
            }
            catch (ClusterException waits) when (waits.Code == FailureCode.ReplicaLost && !deadline.IsCancellationRequested)
            {
                // Its parts' silos are joining.
            }
        }
    }

    public async Task DisposeAsync()
    {
        await _cluster.DisposeAsync();
        Directory.Delete(_data, recursive: true);
    }

    [Fact]
    public async Task A_conversation_knows_what_it_was_told_while_a_shard_moves_under_it()
    {
        var chat = ChatFormat.Load(_model);
        var tokenizer = Tokenizer.Load(Path.Combine(_model, "tokenizer.json"));
        var messages = new List<ChatMessage>();
        foreach (var (said, silo) in new[] { ("My sister is called Greta.", "Silo_2"), ("Greta lives in Lima.", Home), ("Which city does my sister live in?", "Silo_1") })
        {
            messages.Add(new ChatMessage("user", said));
            var turn = RunAsync(chat.Encode(messages, addGenerationPrompt: true, tokenizer), $"t{messages.Count}");
            var moved = await Router.MoveShardAsync(1, silo);
            Assert.Equal(silo == Home ? null : silo, moved.Silo);
            messages.Add(new ChatMessage("assistant", World.TextOf(await turn)));
        }

        Assert.Equal("Your sister Greta lives in Lima.", messages[^1].Content);
        var view = await Router.GetAsync();
        Assert.Equal([null, "Silo_1", "Silo_2"], view.Shards.Select(shard => shard.Silo));
        Assert.Equal(8, view.ExpertLoad.Length);
        Assert.True(view.ExpertLoad.Sum() > 8 * 2 * 60, $"only {view.ExpertLoad.Sum()} rows were counted"); // layers, choices, tokens: what was counted before a move stays
    }

    [Fact]
    public async Task The_cluster_shows_where_parts_are_and_who_serves()
    {
        var view = await Grains.GetGrain<IClusterGrain>(IClusterGrain.Key).GetAsync();

        Assert.True(view.Ready, view.Reason);
        Assert.Equal([false, true, true], view.Silos.Select(silo => silo.LendsOnly));
        var replica = Assert.Single(view.Replicas);
        Assert.Equal([null, "Silo_1"], replica.Stages.Select(stage => stage.Silo));
        Assert.Equal([null, "Silo_1", "Silo_2"], replica.Router!.Shards.Select(shard => shard.Silo));
    }

    [Fact]
    public async Task A_move_to_nowhere_is_refused_and_changes_nothing()
    {
        Assert.Contains("no active silo 'nowhere'", (await Assert.ThrowsAsync<ClusterException>(() => Router.MoveShardAsync(1, "nowhere"))).Message);
        Assert.Contains("no expert shard 7", (await Assert.ThrowsAsync<ClusterException>(() => Router.MoveShardAsync(7, "Silo_1"))).Message);
        Assert.Equal([null, "Silo_1", "Silo_2"], (await Router.GetAsync()).Shards.Select(shard => shard.Silo));
    }

    [Fact]
    public async Task A_lost_silo_loses_the_replica_until_its_shard_is_elsewhere()
    {
        int[] prompt = [.. Enumerable.Range(40, 30)];
        var before = World.TextOf(await RunAsync(prompt, "before", "one"));
        await _cluster.KillSiloAsync(_cluster.Silos.Single(silo => silo.Name == "Silo_2"));

        Assert.Equal(FailureCode.ReplicaLost, (await FirstFailureAsync(prompt)).Code);
        await Router.MoveShardAsync(2, Home);

        Assert.Equal(before, World.TextOf(await RunAsync(prompt, "after", "three")));
        Assert.Equal([null, "Silo_1", null], (await Router.GetAsync()).Shards.Select(shard => shard.Silo));
    }

    [Fact]
    public async Task A_lending_silo_that_drains_hands_its_shards_to_another_and_no_turn_notices()
    {
        int[] prompt = [.. Enumerable.Range(40, 30)];
        var before = World.TextOf(await RunAsync(prompt, "before", "one"));
        var running = RunAsync(prompt, "during", "two");

        await _cluster.StopSiloAsync(_cluster.Silos.Single(silo => silo.Name == "Silo_2"));

        Assert.Equal(before, World.TextOf(await running));
        Assert.Equal(before, World.TextOf(await RunAsync(prompt, "after", "three")));
        Assert.Equal([null, "Silo_1", "Silo_1"], (await Router.GetAsync()).Shards.Select(shard => shard.Silo));
    }

    /// <summary>The home looks for its parts every so often; until then the silo's sockets may still answer.</summary>
    private async Task<ClusterException> FirstFailureAsync(int[] prompt)
    {
        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        for (var turn = 0; !deadline.IsCancellationRequested; turn++)
        {
            try
            {
                await RunAsync(prompt, $"lost{turn}", $"lost{turn}");
            }
            catch (ClusterException failure)
            {
                return failure;
            }
        }

        throw new TimeoutException("Turns still succeed 30 s after a part of the replica has gone.");
    }

    private Task<List<TurnEvent>> RunAsync(int[] prompt, string turnId, string session = "demo") => World.ReadAsync(Grains.GetGrain<ISessionGrain>($"local/{session}").RunTurnAsync(new TurnRequest
    {
        TurnId = turnId, Model = Path.GetFileName(_model), Tokens = [.. prompt], Sampling = new SamplingOptions(), MaxTokens = 60,
    }));

    private SiloOptions OptionsOf(string silo) => new()
    {
        ModelFolders = [_model],
        DataDirectory = Path.Combine(_data, silo), // only the home keeps sessions
        IsClustered = true,
        StageSilos = silo == Home ? [Home, "Silo_1"] : [],
        ShardSilos = silo == Home ? [Home, "Silo_1", "Silo_2"] : [],
        LendsOnly = silo != Home,
        Engine = new EngineOptions { Threads = 1, Slots = 8, KeyValueTokens = 8192 },
    };
}
