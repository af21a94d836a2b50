using System.Net;
using Loire.Actors.Redis;
using Loire.Actors.Transport;
using Orleans.Configuration;
using Orleans.Hosting;

namespace Loire.Cli.Cluster;

/// <summary>How the processes of a cluster find and trust each other: here with the actor runtime in <c>shared/Actors</c>.</summary>
internal static class ClusterRuntime
{
    public static void Configure(this ClusterSettings cluster, ISiloBuilder silo, string name, IPAddress address, int port) => silo
        .UseRedisClustering(cluster.Redis)
        .ConfigureEndpoints(address, port, gatewayPort: 0)
        .Configure<ClusterOptions>(options => options.ClusterId = options.ServiceId = cluster.Name)
        .Configure<SiloOptions>(options => options.SiloName = name)
        .Configure<TransportOptions>(options => options.ClusterSecret = cluster.Secret)
        .Configure<RedisLeaseOptions>(options => Lease(options, cluster.Fast));

    public static void Configure(this ClusterSettings cluster, IClientBuilder client) => client
        .UseRedisClustering(cluster.Redis)
        .Configure<ClusterOptions>(options => options.ClusterId = options.ServiceId = cluster.Name)
        .Configure<TransportOptions>(options => options.ClusterSecret = cluster.Secret)
        .Configure<RedisLeaseOptions>(options => Lease(options, cluster.Fast));

    private static void Lease(RedisLeaseOptions options, bool fast)
    {
        if (fast)
        {
            options.UseFastProfile();
        }
    }
}
