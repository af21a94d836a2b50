using Microsoft.Extensions.DependencyInjection;
using Orleans.Runtime;

namespace Loire.Actors.Tests;

/// <summary>Who hears that nobody listens any more where a silo was.</summary>
public sealed class RefusalTests
{
    [Fact]
    public async Task A_silo_whose_connections_break_and_whose_address_refuses_is_told_of()
    {
        var heard = new Heard();
        await using var cluster = await TestCluster.StartAsync(everywhere: services => services.AddSingleton<IRefusedSilos>(heard));
        var ended = cluster.Address(1);
        await cluster.PlaceAsync(1, () => cluster.From<ICallGrain>(0, "far").Key());

        await cluster.Runtime(1).CrashAsync();

        Assert.Equal(ended, await heard.First.WaitAsync(TestSilo.Patience));
        await cluster.Cluster.KillSiloAsync(cluster.Cluster.Silos[1]);
    }

    [Fact]
    public async Task A_silo_that_stops_is_not()
    {
        var heard = new Heard();
        await using var cluster = await TestCluster.StartAsync(3, everywhere: services => services.AddSingleton<IRefusedSilos>(heard));
        var ends = cluster.Address(2);
        await cluster.PlaceAsync(1, () => cluster.From<ICallGrain>(0, "stops").Key());
        await cluster.PlaceAsync(2, () => cluster.From<ICallGrain>(0, "ends").Key());

        await cluster.Cluster.StopSiloAsync(cluster.Cluster.Silos[1]).WaitAsync(TestSilo.Patience);
        var crash = cluster.Cluster.Silos.Single(silo => silo.SiloAddress == ends);
        await crash.ServiceProvider.GetRequiredService<SiloRuntime>().CrashAsync();

        Assert.Equal(ends, await heard.First.WaitAsync(TestSilo.Patience));
        await cluster.Cluster.KillSiloAsync(crash);
    }

    private sealed class Heard : IRefusedSilos
    {
        private readonly TaskCompletionSource<SiloAddress> _first = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Task<SiloAddress> First => _first.Task;

        public void Refused(SiloAddress silo) => _first.TrySetResult(silo);
    }
}
