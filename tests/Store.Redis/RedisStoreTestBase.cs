using Loire.Store.Redis;
using StackExchange.Redis;

namespace Loire.Store.Tests;

/// <summary>A store on the shared Redis, with a cluster of its own; further ones stand for further silos.</summary>
public abstract class RedisStoreTestBase(SharedRedis redis) : IAsyncLifetime
{
    private readonly List<RedisStore> _others = [];

    private protected string Cluster { get; } = SharedRedis.NewCluster();

    private protected FakeTime Time { get; set; } = new();

    private protected RedisStore Store { get; private set; } = null!;

    private protected IDatabase Raw => redis.Raw;

    private protected RedisKeys Keys => Store.Context.Keys;

    private protected virtual RedisStoreOptions Options =>
        new() { Connection = redis.Address, Cluster = Cluster, TimeToLive = TimeSpan.FromHours(1), KeepCheckpoints = 2 };

    private protected async Task<RedisStore> OpenAnotherAsync()
    {
        var store = await SharedRedis.OpenAsync(Options, Time);
        _others.Add(store);
        return store;
    }

    private protected async Task<List<string>> KeysLikeAsync(string pattern)
    {
        var found = (await Raw.ExecuteAsync("KEYS", Keys.Prefix.Replace("{", "\\{", StringComparison.Ordinal) + pattern)).Texts();
        return [.. found];
    }

    public virtual async Task InitializeAsync() => Store = await SharedRedis.OpenAsync(Options, Time);

    public virtual async Task DisposeAsync()
    {
        await Store.DisposeAsync();
        foreach (var other in _others)
        {
            await other.DisposeAsync();
        }
    }
}
