using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Loire.Store.Redis;

/// <summary>Makes a silo keep its state in Redis.</summary>
public static class RedisStoreHosting
{
    /// <summary>Adds the store, and a check of the server at start. Call it before the silo is added, which otherwise takes a directory.</summary>
    /// <exception cref="System.ComponentModel.DataAnnotations.ValidationException">When the store is first asked for: an option is out of range.</exception>
    public static IServiceCollection AddRedisCheckpointStore(this IServiceCollection services, RedisStoreOptions options)
    {
        services.TryAddSingleton(TimeProvider.System);
        services.AddSingleton(options);
        services.AddSingleton(provider => new RedisStore(
            options, provider.GetRequiredService<TimeProvider>(), provider.GetRequiredService<ILogger<RedisStore>>()));
        services.AddSingleton<ICheckpointStore>(provider => provider.GetRequiredService<RedisStore>());
        services.AddHostedService<RedisStoreCheck>();
        services.AddHostedService<RedisHealthMeter>();
        return services;
    }
}

/// <summary>At start: a server that cannot be reached, or would lose what it is given, is refused before anyone is served.</summary>
internal sealed class RedisStoreCheck(RedisStore store) : IHostedService
{
    public Task StartAsync(CancellationToken cancellationToken) => store.CheckAsync(cancellationToken);

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}
