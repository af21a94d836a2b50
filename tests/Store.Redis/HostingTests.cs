using Loire.Store.Redis;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Loire.Store.Tests;

/// <summary>The store as a host has it.</summary>
[Collection(SharedRedisCollection.Name)]
public sealed class HostingTests(SharedRedis redis)
{
    private static ServiceProvider Services(string connection) => new ServiceCollection().AddLogging()
        .AddRedisCheckpointStore(new RedisStoreOptions
        {
            Connection = connection,
            Cluster = SharedRedis.NewCluster(),
            OperationTimeout = TimeSpan.FromMilliseconds(500),
        })
        .BuildServiceProvider();

    [Fact]
    public async Task A_host_has_one_store_and_looks_at_the_server_when_it_starts()
    {
        await using var services = Services(redis.Address);

        Assert.Same(services.GetRequiredService<RedisStore>(), services.GetRequiredService<ICheckpointStore>());
        await services.GetServices<IHostedService>().Single().StartAsync(CancellationToken.None);

        Assert.True((await services.GetRequiredService<RedisStore>().GetHealthAsync()).IsReachable);
    }

    [Fact]
    public async Task A_host_whose_server_is_not_there_does_not_start_and_says_where_it_looked()
    {
        await using var services = Services("127.0.0.1:1");

        var refused = await Assert.ThrowsAsync<StoreUnavailableException>(
            () => services.GetServices<IHostedService>().Single().StartAsync(CancellationToken.None));

        Assert.Contains("127.0.0.1:1", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_setting_out_of_range_is_named()
    {
        await using var services = new ServiceCollection().AddLogging()
            .AddRedisCheckpointStore(new RedisStoreOptions { Connection = redis.Address, Cluster = "no spaces, please" }).BuildServiceProvider();

        var refused = Assert.Throws<System.ComponentModel.DataAnnotations.ValidationException>(services.GetRequiredService<ICheckpointStore>);

        Assert.Contains(nameof(RedisStoreOptions.Cluster), refused.Message, StringComparison.Ordinal);
    }
}
