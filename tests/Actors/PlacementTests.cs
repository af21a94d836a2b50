using Orleans;

namespace Loire.Actors.Tests;

/// <summary>Where grains activate, by the strategy that their class names.</summary>
public sealed class PlacementTests
{
    private const int Grains = 40;

    [Fact]
    public async Task Random_placement_uses_all_silos()
    {
        await using var cluster = await TestCluster.StartAsync();

        var silos = await PlacesAsync(key => cluster.From<IAnywhereGrain>(0, key).Where());

        // All on one of two silos: once in 2^39.
        Assert.Equal(2, silos.Distinct().Count());
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    public async Task Local_placement_prefers_the_callers_silo(int silo)
    {
        await using var cluster = await TestCluster.StartAsync();

        var silos = await PlacesAsync(key => cluster.From<INearGrain>(silo, key).Where());

        Assert.Equal([cluster.Address(silo).ToParsableString()], silos.Distinct());
    }

    [Fact]
    public async Task Placement_by_hash_gives_a_key_the_same_silo_whoever_asks()
    {
        await using var cluster = await TestCluster.StartAsync();
        var first = await PlacesAsync(key => cluster.From<IHashedGrain>(0, key).Where());
        await PlacesAsync(async key =>
        {
            var grain = cluster.From<IHashedGrain>(0, key);
            var activations = new[] { 0, 1 }.Select(silo => cluster.Runtime(silo).Catalog.Find(grain.GetGrainId()));
            var ended = Task.WhenAll(activations.Select(activation => activation?.Deactivated ?? Task.CompletedTask));
            await grain.End();
            await ended.WaitAsync(TestSilo.Patience);
            return "";
        });

        var second = await PlacesAsync(key => cluster.From<IHashedGrain>(1, key).Where());

        Assert.Equal(first, second);
        Assert.Equal(2, first.Distinct().Count());
    }

    [Theory]
    [InlineData(0, 1)]
    [InlineData(1, 0)]
    public async Task A_hint_of_the_caller_comes_before_the_strategy(int from, int to)
    {
        await using var cluster = await TestCluster.StartAsync();

        await cluster.PlaceAsync(to, async () =>
        {
            Assert.Equal(cluster.Address(to).ToParsableString(), await cluster.From<INearGrain>(from, "a").Where());
            Assert.Equal(cluster.Address(to).ToParsableString(), await cluster.From<IHashedGrain>(from, "b").Where());
        });
    }

    private static Task<string[]> PlacesAsync(Func<string, Task<string>> where) =>
        Task.WhenAll(Enumerable.Range(0, Grains).Select(key => where($"{key}").WaitAsync(TestSilo.Patience)));
}
