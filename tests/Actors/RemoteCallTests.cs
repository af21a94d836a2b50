using Orleans.Runtime;

namespace Loire.Actors.Tests;

/// <summary>What holds inside one silo holds between two.</summary>
public sealed class RemoteCallTests
{
    [Fact]
    public async Task A_call_reaches_a_grain_on_another_silo()
    {
        await using var cluster = await TestCluster.StartAsync();
        var grain = cluster.From<ICallGrain>(0, "far");
        await cluster.PlaceAsync(1, () => grain.Key());

        Assert.Equal(3, await grain.Add(1, 2));
        Assert.Equal(5, await grain.AddValue(2, 3));
        await grain.Nothing();

        Assert.NotNull(cluster.Runtime(1).Catalog.Find(((GrainReference)grain).GrainId));
        Assert.Null(cluster.Runtime(0).Catalog.Find(((GrainReference)grain).GrainId));
    }

    [Fact]
    public async Task A_client_without_a_silo_calls_grains_wherever_they_are()
    {
        await using var cluster = await TestCluster.StartAsync(3);
        for (var silo = 0; silo < 3; silo++)
        {
            var grain = cluster.From<ICallGrain>(-1, $"on {silo}");
            await cluster.PlaceAsync(silo, () => grain.Key());

            Assert.Equal($"on {silo}", await grain.Key());
            Assert.NotNull(cluster.Runtime(silo).Catalog.Find(((GrainReference)grain).GrainId));
        }
    }
}
