using System.Collections.Immutable;
using Loire.Contracts;
using Loire.Engine.Replica;
using Loire.Silo;
using Loire.Silo.Cluster;
using Loire.Silo.Replicas;
using Loire.Store;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using Orleans;
using Orleans.Runtime;
using Orleans.TestingHost;

namespace Loire.Host.Tests;

/// <summary>Silos of the demo model in one process, with sockets between them and one store for all. Ends with an audit: no slot is leased, no state is offered.</summary>
internal sealed class MovingCluster : IAsyncDisposable
{
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly string _data = Directory.CreateTempSubdirectory("loire-moves-").FullName;
    private readonly InProcessTestCluster _cluster;

    private MovingCluster(short silos, Func<string, SiloOptions, SiloOptions> configure)
    {
        Store = new FaultyStore(new DirectoryStore(
            new DirectoryStoreOptions { Path = _data, SyncRecords = false }, TimeProvider.System, NullLogger<DirectoryStore>.Instance));
        var builder = new InProcessTestClusterBuilder(silos);
        builder.ConfigureSiloHost((silo, host) =>
        {
            host.Services.AddSingleton<ICheckpointStore>(Store); // not the silo's to dispose
            host.AddLoireSilo(configure(silo.SiloName, Options()), _ => { });
        });
        _cluster = builder.Build();
    }

    public static string Model { get; } = DemoModelTests.DemoFolder();

    public static string ModelId => Path.GetFileName(Model);

    public FaultyStore Store { get; }

    public IGrainFactory Grains => _cluster.Client;

    public static async Task<MovingCluster> StartAsync(short silos, Func<string, SiloOptions, SiloOptions>? configure = null)
    {
        var cluster = new MovingCluster(silos, configure ?? ((_, options) => options));
        await cluster._cluster.DeployAsync();
        for (var silo = 0; silo < silos; silo++)
        {
            await cluster.Replica($"Silo_{silo}").LoadAsync();
        }

        return cluster;
    }

    public IReplicaGrain Replica(string silo) => Grains.GetGrain<IReplicaGrain>(new ReplicaKey(ModelId, silo).ToString());

    public ISessionGrain Session(string id) => Grains.GetGrain<ISessionGrain>($"local/{id}");

    /// <summary>Has the first turn of a session, of so many prompt tokens, on a silo of the test's choice.</summary>
    public async Task<List<TurnEvent>> BeginAsync(string session, int promptTokens, string silo, int seed = 1)
    {
        // Its grain goes before it has anything, when the call has ended; one that has nothing may also end, and begin where it is called for.
        const int looksOfOneMove = 100;
        using var deadline = new CancellationTokenSource(Patience);
        for (var look = 0; !Service<SiloSessions>(silo).All.Any(held => held.Key == $"local/{session}"); look++)
        {
            deadline.Token.ThrowIfCancellationRequested();
            await (look % looksOfOneMove == 0 ? Session(session).MoveAsync(silo) : Session(session).GetAsync() as Task);
        }

        return await TurnAsync(session, $"{session}-1", Prompt(seed, promptTokens), 4);
    }

    /// <summary>One turn, on top of what the session has.</summary>
    public async Task<List<TurnEvent>> TurnAsync(string session, string turnId, int[] tokens, int maxTokens) =>
        await World.ReadAsync(Session(session).RunTurnAsync(await RequestAsync(session, turnId, tokens, maxTokens)));

    public async Task<TurnRequest> RequestAsync(string session, string turnId, int[] tokens, int maxTokens)
    {
        var history = await Session(session).GetHistoryAsync();
        return new TurnRequest
        {
            TurnId = turnId, Model = ModelId, Tokens = [.. tokens], Sampling = new SamplingOptions(), MaxTokens = maxTokens, StopAtEnd = false,
            ExpectedHead = history?.Head, KeepTokens = history?.Head is null ? 0 : history.Tokens.Length, KeepMessages = history?.Head is null ? 0 : history.Messages.Length,
        };
    }

    /// <summary>A turn's tokens as a gateway passes them on: when the session moves, it asks again with what it has. <paramref name="after"/> so many tokens something happens beside it.</summary>
    public async Task<int[]> StreamAsync(string session, string turnId, int[] tokens, int maxTokens, int after = int.MaxValue, Func<Task>? happens = null)
    {
        var request = await RequestAsync(session, turnId, tokens, maxTokens);
        var (delivered, happening) = (ImmutableArray<int>.Empty, Task.CompletedTask);
        for (var ended = false; !ended;)
        {
            try
            {
                await foreach (var item in Session(session).RunTurnAsync(request with { Delivered = delivered }))
                {
                    delivered = delivered.AddRange(item.Chunk?.Tokens ?? []);
                    ended = item.Kind == TurnEventKind.Finished;
                    if (delivered.Length >= after && happens is { } act)
                    {
                        (happens, happening) = (null, act());
                    }
                }
            }
            catch (Exception passing) when (passing is ClusterException { Code: FailureCode.SessionMoved or FailureCode.ReplicaLost or FailureCode.StaleEpoch }
                or OrleansException)
            {
                // The gateway's own loop, without its waits.
            }
        }

        await happening;
        return [.. delivered];
    }

    public static int[] Prompt(int seed, int length)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, length).Select(_ => random.Next(3, 4000))];
    }

    public T Service<T>(string silo)
        where T : notnull => _cluster.Silos.Single(handle => handle.Name == silo).ServiceProvider.GetRequiredService<T>();

    public IReplicaEngine Engine(string silo) => Service<ReplicaHost>(silo).Find(new ReplicaKey(ModelId, silo).ToString())!.Engine; // loaded by the start

    public int SessionsOn(string silo) => Service<SiloSessions>(silo).Count;

    public Task StopAsync(string silo) => _cluster.StopSiloAsync(_cluster.Silos.Single(handle => handle.Name == silo));

    public async Task<string> AddAsync()
    {
        var added = await _cluster.StartAdditionalSiloAsync();
        await Replica(added.Name).LoadAsync();
        return added.Name;
    }

    /// <summary>Waits for something that the silos do by themselves.</summary>
    public static async Task UntilAsync(Func<bool> holds, Func<string> seen)
    {
        using var deadline = new CancellationTokenSource(Patience);
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(10));
        while (!holds())
        {
            try
            {
                await timer.WaitForNextTickAsync(deadline.Token);
            }
            catch (OperationCanceledException)
            {
                throw new TimeoutException($"After {Patience.TotalSeconds:0} s: {seen()}");
            }
        }
    }

    /// <summary>What runs no more holds nothing: when all resident states are released, slots and pages are free.</summary>
    public async Task AuditAsync()
    {
        foreach (var silo in _cluster.Silos)
        {
            var engine = Engine(silo.Name);
            await Replica(silo.Name).ReleaseAllAsync();
            await UntilAsync(
                () => engine.Load is { SlotsInUse: 0, PagesInUse: 0 },
                () => $"{silo.Name} holds {engine.Load.SlotsInUse} slots and {engine.Load.PagesInUse} pages");
            Assert.Equal(2, Service<Silo.Links.TensorLinks>(silo.Name).Count); // stage and shard; no offer
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _cluster.DisposeAsync();
        await Store.DisposeAsync();
        Directory.Delete(_data, recursive: true);
    }

    private static SiloOptions Options() => new()
    {
        ModelFolders = [Model], IsClustered = true, Rebalance = false,
        Engine = new EngineOptions { Threads = 1, Slots = 8, KeyValueTokens = 20_000 },
    };
}
