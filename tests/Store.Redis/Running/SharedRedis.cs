using System.Globalization;
using Loire.Store.Redis;
using Microsoft.Extensions.Logging.Abstractions;
using StackExchange.Redis;

namespace Loire.Store.Tests;

/// <summary>One Redis for all tests that leave it standing; each has a cluster name of its own.</summary>
public sealed class SharedRedis : IAsyncLifetime
{
    private static int _clusters;
    private RedisProcess? _process;
    private ConnectionMultiplexer? _raw;

    public string Address => _process?.Address ?? throw new InvalidOperationException(RedisProcess.HowToInstall);

    /// <summary>A connection past the store, to look and to damage.</summary>
    public IDatabase Raw => (_raw ?? throw new InvalidOperationException(RedisProcess.HowToInstall)).GetDatabase();

    public static string NewCluster() => "test-" + Interlocked.Increment(ref _clusters).ToString(CultureInfo.InvariantCulture);

    public static async Task<RedisStore> OpenAsync(RedisStoreOptions options, TimeProvider time)
    {
        var store = new RedisStore(options, time, NullLogger<RedisStore>.Instance);
        await store.CheckAsync();
        return store;
    }

    public async Task InitializeAsync()
    {
        if (RedisProcess.Binary is not null)
        {
            _process = await RedisProcess.StartAsync();
            _raw = await ConnectionMultiplexer.ConnectAsync(Address + ",allowAdmin=true");
        }
    }

    public async Task DisposeAsync()
    {
        _raw?.Dispose();
        await (_process?.DisposeAsync() ?? ValueTask.CompletedTask);
    }
}

[CollectionDefinition(Name)]
public sealed class SharedRedisCollection : ICollectionFixture<SharedRedis>
{
    public const string Name = "One Redis for all";
}
