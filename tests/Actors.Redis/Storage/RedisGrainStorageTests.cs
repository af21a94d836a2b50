using Microsoft.Extensions.DependencyInjection;
using Orleans.Configuration;
using Orleans.Hosting;
using Orleans.Persistence;
using Orleans.Runtime;
using Orleans.Storage;
using StackExchange.Redis;

namespace Loire.Actors.Redis.Tests;

/// <summary>The contract, in Redis, where a clear leaves the version or nothing.</summary>
[Collection(SharedRedis.Name)]
public sealed class RedisGrainStorageTests(RedisProcess redis) : RedisGrainStorageContract(redis, deleteOnClear: false);

/// <inheritdoc cref="RedisGrainStorageTests"/>
[Collection(SharedRedis.Name)]
public sealed class DeletingRedisGrainStorageTests(RedisProcess redis) : RedisGrainStorageContract(redis, deleteOnClear: true)
{
    [RedisFact]
    public async Task A_state_that_is_cleared_leaves_no_key()
    {
        var state = await ReadAsync([]);
        await WriteAsync(state);
        using var connection = await Redis.ConnectAsync();
        Assert.True(await connection.GetDatabase().KeyExistsAsync(Key));

        await ClearAsync(state);

        Assert.False(await connection.GetDatabase().KeyExistsAsync(Key));
    }
}

/// <summary>What the contract is not alone about: what Redis adds to it.</summary>
public abstract class RedisGrainStorageContract : GrainStorageContract, IAsyncLifetime
{
    private readonly string _service = $"s-{Guid.NewGuid():N}";
    private readonly ServiceProvider _services;

    protected RedisGrainStorageContract(RedisProcess redis, bool deleteOnClear)
    {
        Redis = redis;
        _services = ServicesOf(options =>
        {
            options.ConfigurationOptions = ConfigurationOptions.Parse(redis.Address);
            options.DeleteStateOnClear = deleteOnClear;
        });
    }

    protected RedisProcess Redis { get; }

    private protected override IGrainStorage Store => _services.GetRequiredKeyedService<IGrainStorage>("notes");

    private protected RedisKey Key => $"loire:1:state:{_service}:{GrainText}/notes";

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync() => await _services.DisposeAsync();

    [RedisFact]
    public async Task The_same_write_asked_again_is_answered_again()
    {
        var link = ((RedisGrainStorage)Store).Link;
        RedisValue[] write = ["", "next", "data", 0];
        Assert.True((await link.EvalAsync(RedisScript.StateWrite, [Key], write, "writing")).IsNull);
        Assert.True((await link.EvalAsync(RedisScript.StateWrite, [Key], write, "writing")).IsNull);

        write[1] = "another";
        Assert.Equal("next", (string?)await link.EvalAsync(RedisScript.StateWrite, [Key], write, "writing"));
    }

    [RedisFact]
    public async Task A_state_above_its_bound_is_refused_by_name_and_the_one_before_it_stays()
    {
        var state = await ReadAsync([]);
        state.State = ["small"];
        await WriteAsync(state);
        state.State = [new string('x', RedisGrainStorage.MostBytes)];

        var refused = await Assert.ThrowsAsync<RedisStorageException>(() => WriteAsync(state));

        Assert.Contains(GrainText, refused.Message, StringComparison.Ordinal);
        Assert.Contains($"{RedisGrainStorage.MostBytes}", refused.Message, StringComparison.Ordinal);
        Assert.Equal(["small"], (await ReadAsync([])).State);
        state.State = [new string('x', RedisGrainStorage.MostBytes - 64)];
        await WriteAsync(state);
        Assert.Equal(state.State, (await ReadAsync([])).State);
    }

    [RedisFact]
    public async Task Bytes_that_are_no_state_are_refused_with_their_key()
    {
        using var connection = await Redis.ConnectAsync();
        await connection.GetDatabase().HashSetAsync(Key, [new("etag", "1"), new("data", "\u0001\u0005nothing of the kind")]);

        var refused = await Assert.ThrowsAsync<RedisStorageException>(() => ReadAsync([]));
        Assert.Contains(Key.ToString(), refused.Message, StringComparison.Ordinal);
        await connection.GetDatabase().KeyDeleteAsync(Key);
        await connection.GetDatabase().StringSetAsync(Key, "another type");
        var foreign = await Assert.ThrowsAsync<RedisUnavailableException>(() => ReadAsync([]));
        Assert.Contains("WRONGTYPE", foreign.Message, StringComparison.Ordinal);
    }

    [RedisFact]
    public async Task A_state_expires_where_it_is_told_to_and_stays_otherwise()
    {
        await using var services = ServicesOf(options =>
        {
            options.ConfigurationOptions = ConfigurationOptions.Parse(Redis.Address);
            options.EntryExpiry = TimeSpan.FromHours(1);
        });
        using var connection = await Redis.ConnectAsync();
        await WriteAsync(await ReadAsync([]));
        Assert.Null(await connection.GetDatabase().KeyTimeToLiveAsync(Key));

        await services.GetRequiredKeyedService<IGrainStorage>("notes").WriteStateAsync("notes", GrainKey, await ReadAsync([]));

        Assert.InRange((await connection.GetDatabase().KeyTimeToLiveAsync(Key))!.Value, TimeSpan.FromMinutes(50), TimeSpan.FromHours(1));
    }

    [RedisFact]
    public void A_store_that_names_no_Redis_is_refused_by_its_name()
    {
        using var services = ServicesOf(_ => { });

        var refused = Assert.Throws<OrleansConfigurationException>(() => services.GetRequiredKeyedService<IGrainStorage>("notes"));

        Assert.Contains("'notes'", refused.Message, StringComparison.Ordinal);
    }

    private ServiceProvider ServicesOf(Action<RedisStorageOptions> configure)
    {
        var services = new ServiceCollection();
        services.Configure<ClusterOptions>(options => options.ServiceId = _service);
        new Builder(services).AddRedisGrainStorage("notes", configure);
        return services.BuildServiceProvider();
    }

    private sealed class Builder(IServiceCollection services) : ISiloBuilder
    {
        public IServiceCollection Services => services;

        public Microsoft.Extensions.Configuration.IConfiguration Configuration { get; } = new Microsoft.Extensions.Configuration.ConfigurationBuilder().Build();
    }
}
