using Microsoft.Extensions.DependencyInjection;
using Orleans;
using Orleans.Hosting;
using Orleans.TestingHost;

namespace Loire.Actors.Tests;

/// <summary>One silo with a clock of its own, and a board on which grains and tests meet. Ends with an audit: nothing waits, runs or streams.</summary>
internal sealed class TestSilo : IAsyncDisposable
{
    /// <summary>How long a test waits for what must happen. Long, since it only passes when something is broken.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private readonly InProcessTestCluster _cluster;
    private bool _stopped;

    private TestSilo(InProcessTestCluster cluster, FakeTime time, Board board)
    {
        _cluster = cluster;
        Time = time;
        Board = board;
    }

    public FakeTime Time { get; }

    public Board Board { get; }

    public IClusterClient Client => _cluster.Client;

    public IServiceProvider Services => _cluster.GetSiloServiceProvider();

    public SiloRuntime Runtime => Services.GetRequiredService<SiloRuntime>();

    public static async Task<TestSilo> StartAsync(Action<ISiloBuilder>? configure = null)
    {
        var time = new FakeTime();
        var board = new Board();
        var builder = new InProcessTestClusterBuilder(1);
        builder.ConfigureSilo((_, silo) =>
        {
            silo.Services.AddSingleton<TimeProvider>(time);
            silo.Services.AddSingleton(board);
            silo.AddMemoryGrainStorageAsDefault();
            configure?.Invoke(silo);
        });
        var cluster = builder.Build();
        await cluster.DeployAsync();
        return new TestSilo(cluster, time, board);
    }

    public T Grain<T>(string key = "one")
        where T : IGrainWithStringKey => Client.GetGrain<T>(key);

    /// <summary>Waits until the activation of a grain has ended.</summary>
    public Task EndedAsync(IGrain grain) =>
        Runtime.Catalog.Find(grain.GetGrainId())?.Deactivated.WaitAsync(Patience) ?? Task.CompletedTask;

    /// <summary>Moves the clock until all calls are answered, or have run out of time.</summary>
    public async Task QuietAsync()
    {
        for (var seconds = 0; Runtime.Audit() is { Waiting: > 0 } or { Running: > 0 }; seconds++)
        {
            Assert.True(seconds < 100_000, $"Calls go on for ever: {Runtime.Audit()}");
            Time.Advance(TimeSpan.FromSeconds(1));
            await Task.Yield();
        }
    }

    /// <summary>Waits until nothing waits or runs, without moving the clock.</summary>
    public async Task SettledAsync()
    {
        while (Runtime.Audit() is { Waiting: > 0 } or { Running: > 0 })
        {
            await Task.Yield();
        }
    }

    public async Task StopAsync()
    {
        _stopped = true;
        await _cluster.StopAllSilosAsync().WaitAsync(Patience);
    }

    public async ValueTask DisposeAsync()
    {
        var runtime = Runtime;
        if (!_stopped)
        {
            await StopAsync();
        }

        var audit = runtime.Audit();
        await _cluster.DisposeAsync();
        Assert.Equal(new RuntimeAudit(0, 0, 0, 0, 0), audit);
    }
}
