using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Orleans;
using Orleans.GrainDirectory;
using Orleans.Runtime;
using Orleans.Runtime.MembershipService.SiloMetadata;

namespace Loire.Actors;

/// <summary>The services of a process that hosts a silo.</summary>
internal static class SiloServices
{
    /// <summary>Adds them; calling it again adds nothing.</summary>
    public static void Add(IServiceCollection services)
    {
        if (services.Any(service => service.ServiceType == typeof(SiloRuntime)))
        {
            return;
        }

        services.AddOptions();
        services.AddLogging();
        services.TryAddSingleton(TimeProvider.System);
        services.TryAddSingleton<ILocalSiloDetails, SiloDetails>();
        services.TryAddSingleton<LocalMembership>();
        services.TryAddSingleton<IClusterMembershipService>(provider => provider.GetRequiredService<LocalMembership>());
        services.TryAddSingleton<ISiloAnnouncer>(provider => provider.GetRequiredService<LocalMembership>());
        services.TryAddSingleton<IGrainDirectory, LocalGrainDirectory>();
        services.TryAddSingleton<ISiloMetadataCache, LocalSiloMetadata>();
        services.AddSingleton<SiloRuntime>();
        services.AddSingleton<SiloRuntimeAccess>();
        services.AddSingleton<ClusterClient>();
        services.AddSingleton<IClusterClient>(provider => provider.GetRequiredService<ClusterClient>());
        services.AddSingleton<IGrainFactory>(provider => provider.GetRequiredService<ClusterClient>());
        services.AddHostedService<SiloHost>();
    }
}

/// <summary>The services of a process that only calls grains.</summary>
internal static class ClientServices
{
    public static void Add(IServiceCollection services) => services.AddHostedService<ClientHost>();

    /// <summary>Refuses to start a client without a silo beside it, instead of failing at the first call.</summary>
    private sealed class ClientHost(IServiceProvider services) : IHostedService
    {
        public Task StartAsync(CancellationToken cancellationToken) => services.GetService<IClusterClient>() is not null
            ? Task.CompletedTask
            : throw new OrleansConfigurationException(
                "UseOrleansClient needs a silo in the same process: this actor runtime has no transport to another one. Call UseOrleans as well.");

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
