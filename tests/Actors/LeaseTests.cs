using Microsoft.Extensions.DependencyInjection;
using Orleans;
using Orleans.Runtime;

namespace Loire.Actors.Tests;

/// <summary>A silo that was frozen until others took it for dead starts nothing when it thaws.</summary>
public sealed class LeaseTests
{
    [Fact]
    public async Task A_silo_whose_lease_is_lost_starts_no_call_of_its_own()
    {
        var lease = new TestLease();
        await using var silo = await TestSilo.StartAsync(builder => builder.Services.AddSingleton<IClusterLease>(lease));
        var grain = silo.Grain<ICallGrain>();
        Assert.Equal(3, await grain.Add(1, 2));

        lease.LostReason = "frozen";

        var refusal = await Assert.ThrowsAsync<SiloUnavailableException>(() => grain.Add(1, 2));
        Assert.Contains("frozen", refusal.Message);
        Assert.Contains("Call again", refusal.Message);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(-1)]
    public async Task Calls_that_wait_when_the_lease_is_lost_are_refused_and_one_that_runs_ends(int from)
    {
        await using var cluster = await TestCluster.StartAsync(configure: silo =>
            silo.Services.AddSingleton<TestLease>().AddSingleton<IClusterLease>(services => services.GetRequiredService<TestLease>()));
        var grain = cluster.From<ICallGrain>(from, "far");
        await cluster.PlaceAsync(1, () => grain.Key());
        var held = grain.Hold("held");
        await cluster.Board.Seen("held begins");
        var waiting = grain.Add(1, 2);
        var activation = cluster.Runtime(1).Catalog.Find(grain.GetGrainId());
        while (activation?.FirstWaiting() is null)
        {
            await Task.Yield();
        }

        cluster.Cluster.Silos[1].ServiceProvider.GetRequiredService<TestLease>().LostReason = "frozen";
        cluster.Board.Open("held may end");

        Assert.Equal("held", await held.WaitAsync(TestSilo.Patience));
        await Assert.ThrowsAsync<SiloUnavailableException>(() => waiting.WaitAsync(TestSilo.Patience));
        await Assert.ThrowsAsync<SiloUnavailableException>(() => grain.Key().WaitAsync(TestSilo.Patience));
        var near = cluster.From<ICallGrain>(0, "near");
        await cluster.PlaceAsync(0, async () => Assert.Equal("near", await near.Key()));
    }
}
