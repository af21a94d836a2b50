using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using Loire.Store.Redis;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Loire.Store.Tests;

/// <summary>The store as a host has it.</summary>
[Collection(SharedRedisCollection.Name)]
public sealed class HostingTests(SharedRedis redis)
{
    private static ServiceProvider Services(string connection, double seconds = 0.5) => new ServiceCollection().AddLogging()
        .AddRedisCheckpointStore(new RedisStoreOptions
        {
            Connection = connection,
            Cluster = SharedRedis.NewCluster(),
            OperationTimeout = TimeSpan.FromSeconds(seconds),
        })
        .BuildServiceProvider();

    [Fact]
    public async Task A_host_has_one_store_and_looks_at_the_server_when_it_starts()
    {
        await using var services = Services(redis.Address, seconds: 30);

        Assert.Same(services.GetRequiredService<RedisStore>(), services.GetRequiredService<ICheckpointStore>());
        await services.GetServices<IHostedService>().OfType<RedisStoreCheck>().Single().StartAsync(CancellationToken.None);

        Assert.True((await services.GetRequiredService<RedisStore>().GetHealthAsync()).IsReachable);
    }

    [Fact]
    public async Task A_host_whose_server_is_not_there_does_not_start_and_says_where_it_looked()
    {
        await using var services = Services("127.0.0.1:1");

        var refused = await Assert.ThrowsAsync<StoreUnavailableException>(
            () => services.GetServices<IHostedService>().OfType<RedisStoreCheck>().Single().StartAsync(CancellationToken.None));

        Assert.Contains("127.0.0.1:1", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_host_measures_how_the_server_is()
    {
        await using var services = Services(redis.Address, seconds: 30);
        await services.GetRequiredService<RedisStore>().CheckAsync(); // the connection is there: what is measured is one round trip
        var meter = services.GetServices<IHostedService>().OfType<RedisHealthMeter>().Single();
        var seen = new ConcurrentDictionary<string, double>();
        using var listener = new MeterListener { InstrumentPublished = (instrument, listening) => Listen(instrument, listening, meter) };
        listener.SetMeasurementEventCallback<double>((instrument, value, _, _) => seen[instrument.Name] = value);
        listener.Start();
        await meter.StartAsync(CancellationToken.None);
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        while (!seen.ContainsKey("loire.redis.reachable"))
        {
            patience.Token.ThrowIfCancellationRequested(); // nothing was measured within 30 s
            await Task.Delay(10, patience.Token);
            listener.RecordObservableInstruments();
        }

        await meter.StopAsync(CancellationToken.None);

        Assert.Equal(1, seen["loire.redis.reachable"]);
        Assert.True(seen["loire.redis.memory"] > 100_000);
        Assert.True(seen["loire.redis.latency"] > 0);
    }

    private static void Listen(Instrument instrument, MeterListener listener, RedisHealthMeter meter)
    {
        if (meter.Owns(instrument))
        {
            listener.EnableMeasurementEvents(instrument);
        }
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
