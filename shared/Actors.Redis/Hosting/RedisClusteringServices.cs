using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Orleans.GrainDirectory;
using Orleans.Runtime;
using Orleans.Runtime.MembershipService.SiloMetadata;

namespace Loire.Actors.Redis;

/// <summary>The services of clustering on Redis.</summary>
internal static class RedisClusteringServices
{
    /// <summary>A connection of its own, so that no number of registrations holds a renewal up.</summary>
    private const string DirectoryLink = "directory";

    /// <summary>What a silo needs. It takes the place of a client in the same process.</summary>
    public static void AddMember(IServiceCollection services)
    {
        AddShared(services);
        services.TryAddSingleton<MemberLease>();
        services.TryAddSingleton<IClusterLease>(provider => provider.GetRequiredService<MemberLease>());
        services.Replace(ServiceDescriptor.Singleton<ISiloAnnouncer, RedisMember>());
    }

    /// <summary>What a client needs: to see, and no more.</summary>
    public static void AddClient(IServiceCollection services)
    {
        AddShared(services);
        services.AddHostedService(provider => ActivatorUtilities.CreateInstance<ClientWatch>(provider));
    }

    private static void AddShared(IServiceCollection services)
    {
        services.AddOptions();
        services.AddLogging();
        services.TryAddSingleton(TimeProvider.System);
        services.TryAddSingleton<ClusterKeys>();
        services.TryAddSingleton<RedisLink>();
        services.TryAddKeyedSingleton<RedisLink>(DirectoryLink);
        services.TryAddSingleton<MembershipTable>();
        services.TryAddSingleton<MembershipView>();
        services.TryAddSingleton(NewWatch);
        services.Replace(ServiceDescriptor.Singleton<IRefusedSilos>(provider => provider.GetRequiredService<ClusterWatch>()));
        services.Replace(ServiceDescriptor.Singleton<IClusterMembershipService>(provider => provider.GetRequiredService<MembershipView>()));
        services.Replace(ServiceDescriptor.Singleton<ISiloMetadataCache>(provider => provider.GetRequiredService<MembershipView>()));
        services.Replace(ServiceDescriptor.Singleton<IClusterGateways>(provider => provider.GetRequiredService<MembershipView>()));
        services.Replace(ServiceDescriptor.Singleton<IGrainDirectory>(NewDirectory));
    }

    private static ClusterWatch NewWatch(IServiceProvider provider) => new(
        provider.GetRequiredService<RedisLink>(),
        provider.GetRequiredService<ClusterKeys>(),
        provider.GetRequiredService<MembershipTable>(),
        provider.GetRequiredService<MembershipView>(),
        provider.GetRequiredService<IOptions<RedisLeaseOptions>>(),
        provider.GetRequiredService<TimeProvider>(),
        provider.GetRequiredService<ILoggerFactory>(),
        provider.GetService<MemberLease>(),
        provider.GetService<MemberLease>() is null ? null : provider.GetRequiredService<ILocalSiloDetails>().SiloAddress);

    private static RedisGrainDirectory NewDirectory(IServiceProvider provider) => new(
        provider.GetRequiredKeyedService<RedisLink>(DirectoryLink),
        provider.GetRequiredService<ClusterKeys>(),
        provider.GetRequiredService<ClusterWatch>(),
        provider.GetRequiredService<MembershipView>(),
        provider.GetRequiredService<IOptions<RedisLeaseOptions>>(),
        provider.GetService<MemberLease>());
}
