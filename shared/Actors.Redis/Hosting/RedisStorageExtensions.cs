using Loire.Actors.Redis;
using Loire.Actors;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Orleans.Configuration;
using Orleans.Persistence;
using Orleans.Runtime;
using Orleans.Storage;

namespace Orleans.Hosting;

/// <summary>States of grains in Redis.</summary>
public static class RedisSiloBuilderExtensions
{
    /// <summary>Longest that reading or writing a state takes, a new connection included.</summary>
    private static readonly TimeSpan StateTimeout = TimeSpan.FromSeconds(5);

    /// <summary>Adds a store of this name.</summary>
    public static ISiloBuilder AddRedisGrainStorage(this ISiloBuilder builder, string name, Action<RedisStorageOptions> configureOptions) =>
        builder.AddRedisGrainStorage(name, options => options.Configure(configureOptions));

    /// <summary>Adds a store of this name.</summary>
    public static ISiloBuilder AddRedisGrainStorage(this ISiloBuilder builder, string name, Action<OptionsBuilder<RedisStorageOptions>>? configureOptions = null) =>
        builder.ConfigureServices(services =>
        {
            services.AddLogging();
            services.TryAddSingleton(TimeProvider.System);
            configureOptions?.Invoke(services.AddOptions<RedisStorageOptions>(name));
            services.AddKeyedSingleton<IGrainStorage>(name, (provider, _) => Create(provider, name));
        });

    /// <summary>Adds the store that states without a store's name use.</summary>
    public static ISiloBuilder AddRedisGrainStorageAsDefault(this ISiloBuilder builder, Action<RedisStorageOptions> configureOptions) =>
        builder.AddRedisGrainStorage(GrainStorageNames.Default, configureOptions);

    /// <summary>Adds the store that states without a store's name use.</summary>
    public static ISiloBuilder AddRedisGrainStorageAsDefault(this ISiloBuilder builder, Action<OptionsBuilder<RedisStorageOptions>>? configureOptions = null) =>
        builder.AddRedisGrainStorage(GrainStorageNames.Default, configureOptions);

    private static RedisGrainStorage Create(IServiceProvider provider, string name)
    {
        var options = provider.GetRequiredService<IOptionsMonitor<RedisStorageOptions>>().Get(name);
        var connection = options.ConfigurationOptions is { EndPoints.Count: > 0 } named
            ? named
            : throw new OrleansConfigurationException($"Store '{name}' names no Redis: set {nameof(RedisStorageOptions)}.{nameof(RedisStorageOptions.ConfigurationOptions)}, as by ConfigurationOptions.Parse(\"host:port\").");
        if (options.EntryExpiry is { } expiry && expiry < TimeSpan.FromMilliseconds(1))
        {
            throw new OrleansConfigurationException($"{nameof(RedisStorageOptions.EntryExpiry)} of store '{name}' is {expiry}; it must be at least a millisecond, or null for ever.");
        }

        var link = new RedisLink(
            Microsoft.Extensions.Options.Options.Create(new RedisClusteringOptions { ConfigurationOptions = connection }),
            Microsoft.Extensions.Options.Options.Create(new RedisLeaseOptions { CommandTimeout = StateTimeout }),
            provider.GetRequiredService<TimeProvider>(),
            provider.GetRequiredService<ILoggerFactory>());
        return new RedisGrainStorage(name, options, provider.GetRequiredService<IOptions<ClusterOptions>>().Value, link, provider.GetService<SiloRuntime>());
    }
}
