using Microsoft.Extensions.DependencyInjection;
using Orleans;
using Orleans.Hosting;
using Orleans.Runtime;
using Orleans.Runtime.Placement;
using Orleans.TestingHost;

namespace Loire.Actors.Tests;

/// <summary>Several silos and a client in one process, over real sockets, with one board. Ends with an audit: nothing waits, runs or streams.</summary>
internal sealed class TestCluster : IAsyncDisposable
{
    private TestCluster(InProcessTestCluster cluster, FakeTime time, Board board)
    {
        Cluster = cluster;
        Time = time;
        Board = board;
    }

    public InProcessTestCluster Cluster { get; }

    public FakeTime Time { get; }

    public Board Board { get; }

    public IClusterClient Client => Cluster.Client;

    public static async Task<TestCluster> StartAsync(short silos = 2, Action<ISiloBuilder>? configure = null, Action<IServiceCollection>? everywhere = null)
    {
        // The clock leaps: no connection is quiet for so long.
        everywhere += services => services.Configure<Transport.TransportOptions>(options => options.KeepAlivePeriod = TimeSpan.FromDays(1));
        var time = new FakeTime();
        var board = new Board();
        var builder = new InProcessTestClusterBuilder(silos);
        builder.ConfigureSilo((_, silo) =>
        {
            silo.Services.AddSingleton<TimeProvider>(time);
            silo.Services.AddSingleton(board);
            silo.AddMemoryGrainStorageAsDefault();
            everywhere?.Invoke(silo.Services);
            configure?.Invoke(silo);
        });
        builder.ConfigureClient(client =>
        {
            client.Services.AddSingleton<TimeProvider>(time);
            everywhere?.Invoke(client.Services);
        });
        var cluster = builder.Build();
        await cluster.DeployAsync().WaitAsync(TestSilo.Patience);
        return new TestCluster(cluster, time, board);
    }

    public SiloRuntime Runtime(int silo) => Cluster.Silos[silo].ServiceProvider.GetRequiredService<SiloRuntime>();

    public SiloAddress Address(int silo) => Cluster.Silos[silo].SiloAddress;

    /// <summary>A reference that a silo, or with -1 the client, calls through.</summary>
    public T From<T>(int silo, string key)
        where T : IGrainWithStringKey =>
        (silo < 0 ? Client : Cluster.Silos[silo].ServiceProvider.GetRequiredService<IClusterClient>()).GetGrain<T>(key);

    /// <summary>Runs the first call of a grain so that it activates on this silo.</summary>
    public async Task PlaceAsync(int silo, Func<Task> call)
    {
        RequestContext.Set(IPlacementDirector.PlacementHintKey, Address(silo));
        try
        {
            await call().WaitAsync(TestSilo.Patience);
        }
        finally
        {
            RequestContext.Remove(IPlacementDirector.PlacementHintKey);
        }
    }

    public async ValueTask DisposeAsync()
    {
        var runtimes = Cluster.Silos.Select(silo => silo.ServiceProvider.GetRequiredService<SiloRuntime>()).ToArray();
        await Cluster.DisposeAsync().AsTask().WaitAsync(TestSilo.Patience);
        Assert.All(runtimes, runtime => Assert.Equal(new RuntimeAudit(0, 0, 0, 0, 0), runtime.Audit()));
        Assert.All(runtimes, runtime => Assert.Equal(0, runtime.Links.Depth));
    }
}
