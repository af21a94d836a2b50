using Loire.Contracts;
using Loire.Silo;
using Loire.Silo.Cluster;
using Loire.Silo.Models;
using Loire.Silo.Operations;
using Loire.Silo.Replicas;
using Loire.Silo.Sessions;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Orleans;
using Orleans.Runtime;

namespace Loire.Host.Tests;

/// <summary>The six grains in a silo, over a scripted engine.</summary>
public sealed class SiloTests : IAsyncLifetime
{
    private readonly string _directory = Directory.CreateTempSubdirectory("loire-silo-").FullName;
    private readonly ScriptedFactory _factory = new();
    private IHost? _host;

    private IGrainFactory Grains => _host!.Services.GetRequiredService<IGrainFactory>();

    private IClusterGrain Cluster => Grains.GetGrain<IClusterGrain>(IClusterGrain.Key);

    private IReplicaGrain Replica => Grains.GetGrain<IReplicaGrain>($"bytes/{_host!.Services.GetRequiredService<ILocalSiloDetails>().Name}");

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync()
    {
        if (_host is not null)
        {
            await StopAsync();
        }

        Directory.Delete(_directory, recursive: true);
    }

    [Fact]
    public async Task Stages_and_shards_are_grains_that_the_replica_joins()
    {
        await StartAsync();
        await Replica.LoadAsync();

        Assert.Equal([(0, 2), (2, 4)], _factory.Stages.Order());
        Assert.Equal([(0, 2), (2, 4), (4, 6), (6, 8)], _factory.Shards.Order());
        var view = Assert.Single((await Cluster.GetAsync()).Replicas);
        Assert.True(view.Ready);
        Assert.Equal([0, 2], view.Stages.Select(stage => stage.FirstLayer));
        Assert.Equal([0, 2, 4, 6], view.Router!.Shards.Select(shard => shard.FirstExpert));
        Assert.Equal([0L, 1, 2, 3, 4, 5, 6, 7], view.Router.ExpertLoad.ToArray());
        var model = Assert.Single(await Cluster.GetModelsAsync());
        Assert.Equal(("bytes", 4096), (model.Id, model.ContextTokens));
    }

    [Fact]
    public async Task The_cluster_says_that_it_loads_and_then_that_it_is_ready()
    {
        _factory.Gate.Reset();
        await StartAsync();
        var loading = await Cluster.GetAsync();
        Assert.False(loading.Ready);
        Assert.Contains("is being loaded", loading.Reason);
        Assert.Single(loading.Devices);
        Assert.False((await Replica.GetAsync()).Ready);

        _factory.Gate.Set();
        await Replica.LoadAsync();

        var ready = await Cluster.GetAsync();
        Assert.True(ready.Ready);
        Assert.Null(ready.Reason);
    }

    [Fact]
    public async Task A_silo_is_ready_from_when_its_model_is_loaded_until_it_drains()
    {
        _factory.Gate.Reset();
        await StartAsync();
        var readiness = _host!.Services.GetRequiredService<SiloReadiness>();
        var loading = readiness.Reason;
        _factory.Gate.Set();
        await Replica.LoadAsync();
        var loaded = readiness.Reason;
        _host.Services.GetRequiredService<TurnDrain>().Close();

        Assert.Contains("is being loaded", loading);
        Assert.Null(loaded);
        Assert.Contains("drains", readiness.Reason);
    }

    [Fact]
    public async Task A_load_that_fails_is_told_and_tried_again()
    {
        _factory.Failure = new InvalidDataException("model.safetensors is cut short.");
        await StartAsync();
        await Assert.ThrowsAnyAsync<Exception>(Replica.LoadAsync);
        Assert.Contains("cut short", (await Cluster.GetAsync()).Reason);

        _factory.Failure = null;
        await Replica.LoadAsync();

        Assert.True((await Cluster.GetAsync()).Ready);
    }

    [Fact]
    public async Task A_conversation_runs_through_the_grains_and_survives_the_silo()
    {
        await StartAsync();
        var events = await World.ReadAsync(Session().RunTurnAsync(World.Request("hello", "t1")));
        Assert.Equal("ok", World.TextOf(events));
        Assert.Equal(TurnEventKind.Finished, events[^1].Kind);
        Assert.True((await Session().GetAsync())!.Resident);
        var listed = Assert.Single((await Cluster.ListSessionsAsync(SessionKey.LocalOwner, null, 10)).Sessions);
        Assert.Equal((true, ScriptedState.Shape.BytesOf(7)), (listed.Resident, listed.StateBytes));
        await StopAsync();

        await StartAsync();
        var history = await Session().GetHistoryAsync();
        var more = await World.ReadAsync(Session().RunTurnAsync(World.Request("more", "t2") with
        {
            ExpectedHead = history!.Head, KeepTokens = history.Tokens.Length, KeepMessages = history.Messages.Length,
        }));

        Assert.Equal(new TurnStart(12, 7, StateSource.Store), more[0].Start);
        Assert.Equal(2, (await Session().GetAsync())!.Turns);
        Assert.True(await Session().HibernateAsync());
        Assert.Equal(1, (await Session().ForkAsync(new ForkRequest("fork", history.Head))).Turns);
        Assert.Equal(1, (await Session().RewindAsync(new RewindRequest(1))).Turns);
        Assert.Equal(2, (await Cluster.ListSessionsAsync(SessionKey.LocalOwner, null, 10)).Sessions.Length);
        Assert.True(await Session().DeleteAsync());
    }

    [Fact]
    public async Task A_session_that_is_deleted_and_one_that_keeps_nothing_leave_no_activation_behind()
    {
        await StartAsync();
        var active = _host!.Services.GetRequiredService<SiloSessions>();
        await World.ReadAsync(Session().RunTurnAsync(World.Request("hello", "t1")));
        Assert.Equal(1, active.Count);

        Assert.True(await Session().DeleteAsync());
        await UntilAsync(() => active.Count == 0, "the deleted session's activation has ended");
        _factory.Engine.Next("fine");
        Assert.Equal("fine", World.TextOf(await World.ReadAsync(Session("unnamed-1").RunTurnAsync(World.Request("hello", "t1") with { KeepSession = false }))));

        await UntilAsync(() => active.Count == 0, "the activation of the turn that keeps nothing has ended");
        Assert.Null(await Session().GetAsync());
        Assert.Equal(0, _factory.Engine.Load.Running);
    }

    [Fact]
    public async Task A_caller_that_goes_away_frees_the_slot_and_another_turn_is_busy_until_then()
    {
        await StartAsync();
        var script = _factory.Engine.Next(new Script { Tokens = ByteTokens.Of("abcdef"), PauseAfter = 3 });
        using var hangUp = new CancellationTokenSource();
        var reading = World.ReadAsync(Session().RunTurnAsync(World.Request("one", "t1"), hangUp.Token));
        await script.Paused.Task;
        var busy = await Assert.ThrowsAsync<ClusterException>(() => World.ReadAsync(Session().RunTurnAsync(World.Request("two", "t2"))));
        Assert.Equal(FailureCode.SessionBusy, busy.Code);

        await hangUp.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => reading);

        var view = await SettledAsync();
        Assert.Equal(("cancelled", "abc"), (view.History[0].FinishReason, view.History[0].Messages[^1].Content));
        Assert.Equal(0, _factory.Engine.Load.SlotsInUse);
        _factory.Engine.Audit();
    }

    [Fact]
    public async Task Two_callers_with_one_turn_id_get_the_same_stream()
    {
        await StartAsync();
        var script = _factory.Engine.Next(new Script { Tokens = ByteTokens.Of("abcdef"), PauseAfter = 3 });
        var first = World.ReadAsync(Session().RunTurnAsync(World.Request("one", "t1")));
        await script.Paused.Task;
        await using var second = Session().RunTurnAsync(World.Request("one", "t1")).GetAsyncEnumerator();
        Assert.True(await second.MoveNextAsync());
        script.Resume();
        var text = "";
        while (await second.MoveNextAsync())
        {
            text += second.Current.Chunk?.Text;
        }

        Assert.Equal("abcdef", text);
        Assert.Equal("abcdef", World.TextOf(await first));
        Assert.Single(script.Requests);
    }

    [Fact]
    public async Task A_silo_that_is_stopped_commits_what_its_turns_have_delivered_and_then_ends_its_engines()
    {
        await StartAsync(drain: TimeSpan.FromSeconds(1)); // also how long the cancelled turn may take, on a busy machine
        var script = _factory.Engine.Next(new Script { Tokens = ByteTokens.Of("abcdef"), PauseAfter = 3 });
        var reading = World.ReadAsync(Session().RunTurnAsync(World.Request("one", "t1")));
        await script.Paused.Task;

        await StopAsync();

        Assert.Equal(FinishReason.Cancelled, (await reading)[^1].Finish!.Reason);
        Assert.True(_factory.Engine.IsDisposed);
        _factory.Engine.Audit();
        await StartAsync();
        Assert.Equal("abc", (await Session().GetAsync())!.History[0].Messages[^1].Content);
    }

    private ISessionGrain Session(string id = "chat") => Grains.GetGrain<ISessionGrain>(new SessionKey(SessionKey.LocalOwner, id).ToString());

    private static async Task UntilAsync(Func<bool> holds, string what)
    {
        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        while (!holds())
        {
            Assert.False(deadline.IsCancellationRequested, $"After 30 s it is not so that {what}.");
            await Task.Yield();
        }
    }

    /// <summary>The session when its turn is over. The grain hears of a caller's leaving after the caller itself.</summary>
    private async Task<SessionView> SettledAsync()
    {
        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        while (!deadline.IsCancellationRequested)
        {
            if (await Session().GetAsync() is { RunningTurn: null } view)
            {
                return view;
            }

            await Task.Yield();
        }

        throw new TimeoutException("The turn still runs after its caller has left.");
    }

    private async Task StartAsync(TimeSpan? drain = null)
    {
        var builder = Microsoft.Extensions.Hosting.Host.CreateApplicationBuilder();
        builder.Logging.ClearProviders();
        builder.Services.AddSingleton(new ModelCatalog([World.Model]));
        builder.Services.AddSingleton<IReplicaEngineFactory>(_factory);
        builder.AddLoireSilo(new SiloOptions
        {
            ModelFolders = [_directory],
            DataDirectory = Path.Combine(_directory, "data"),
            Stages = 2,
            ExpertShards = 4,
            DrainTimeout = drain ?? TimeSpan.FromSeconds(20),
        });
        _host = builder.Build();
        await _host.StartAsync();
    }

    private async Task StopAsync()
    {
        await _host!.StopAsync();
        await ((IAsyncDisposable)_host).DisposeAsync();
        _host = null;
    }
}
