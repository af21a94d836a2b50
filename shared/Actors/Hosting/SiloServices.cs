using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
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
        if (services.Any(service => service.ServiceType == typeof(LocalMembership)))
        {
            return;
        }

        if (services.FirstOrDefault(service => service.ImplementationType == typeof(ClientDetails)) is { } client)
        {
            services.Remove(client);
        }

        services.TryAddSingleton<ILocalSiloDetails, SiloDetails>();
        services.TryAddSingleton<LocalMembership>();
        services.TryAddSingleton<IClusterMembershipService>(provider => provider.GetRequiredService<LocalMembership>());
        services.TryAddSingleton<ISiloAnnouncer>(provider => provider.GetRequiredService<LocalMembership>());
        services.TryAddSingleton<IGrainDirectory, LocalGrainDirectory>();
        services.TryAddSingleton<ISiloMetadataCache, LocalSiloMetadata>();
        AddRuntime(services);
        services.AddHostedService<SiloHost>();
    }

    /// <summary>What silos and clients have in common.</summary>
    public static void AddRuntime(IServiceCollection services)
    {
        services.AddOptions();
        services.AddLogging();
        services.TryAddSingleton(TimeProvider.System);
        services.TryAddSingleton<SiloRuntime>();
        services.TryAddSingleton<SiloRuntimeAccess>();
        services.TryAddSingleton<ClusterClient>();
        services.TryAddSingleton<IClusterClient>(provider => provider.GetRequiredService<ClusterClient>());
        services.TryAddSingleton<IGrainFactory>(provider => provider.GetRequiredService<ClusterClient>());
    }
}
