using System.Net;
using Loire.Cli.Terminal;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Orleans.Configuration;
using Orleans.Dashboard;
using Orleans.Hosting;
using Orleans.Serialization;
using StackExchange.Redis;

namespace Loire.Cli.Cluster;

/// <summary>How the processes of a cluster find and trust each other: here with Microsoft Orleans, its membership table and grain directory on Redis.</summary>
internal static class ClusterRuntime
{
    /// <summary>Orleans has a port of its own for clients, this much above the one for silos.</summary>
    private const int ClientPortOffset = 100;

    private static readonly TimeSpan s_connectEvery = TimeSpan.FromSeconds(1);

    /// <summary>A client is not told that the silo it called through has died: it learns that from having had no answer for so long.</summary>
    private static readonly TimeSpan s_clientPatience = TimeSpan.FromSeconds(10);

    /// <summary>A silo answers a stream's idle reader after half of this, which must be less than the reader's patience.</summary>
    private static readonly TimeSpan s_siloPatience = TimeSpan.FromSeconds(15);

    /// <exception cref="CommandFailedException">Others could reach the silo, and there is no secret to know them by.</exception>
    public static void Configure(this ClusterSettings cluster, ISiloBuilder silo, string name, IPAddress address, int port)
    {
        silo
            .UseRedisClustering(cluster.Redis)
            .UseRedisGrainDirectoryAsDefault((RedisGrainDirectoryOptions options) => options.ConfigurationOptions = ConfigurationOptions.Parse(cluster.Redis))
            .ConfigureEndpoints(address, port, ClientPortOf(port))
            .Configure<ClusterOptions>(options => options.ClusterId = options.ServiceId = cluster.Name)
            .Configure<SiloOptions>(options => options.SiloName = name)
            .Configure<SiloMessagingOptions>(options => options.ResponseTimeout = s_siloPatience)
            .Configure<ClusterMembershipOptions>(options => Detect(options, cluster.Fast));
        if (cluster.Secret is { } secret)
        {
            silo.Configure<SiloConnectionOptions>(options => Shake(options, new SecretHandshake(secret, cluster.Name)));
        }
        else if (!IPAddress.IsLoopback(address))
        {
            throw new CommandFailedException($"--address is {address}, where others can reach this silo, and no secret keeps them out: set {ClusterSettings.SecretVariable} for all processes of the cluster.", exitCode: 2);
        }
    }

    public static void Configure(this ClusterSettings cluster, IClientBuilder client)
    {
        client
            .UseRedisClustering(cluster.Redis)
            .UseConnectionRetryFilter(KeepConnectingAsync)
            .Configure<ClusterOptions>(options => options.ClusterId = options.ServiceId = cluster.Name)
            .Configure<GatewayOptions>(options => options.GatewayListRefreshPeriod = s_connectEvery)
            .Configure<ClientMessagingOptions>(options => options.ResponseTimeout = s_clientPatience)
            .Configure<ExceptionSerializationOptions>(options => options.SupportedNamespacePrefixes.Add(nameof(Loire)))
            .AddDashboard();
        if (cluster.Secret is { } secret)
        {
            client.Configure<ClientConnectionOptions>(options => options.ConfigureConnection(new SecretHandshake(secret, cluster.Name).Dial));
        }

        // A gateway says that it is not ready while no silo is there; if the client were waited for, it would say nothing.
        client.Services.Configure<HostOptions>(options => options.ServicesStartConcurrently = true);
    }

    private static int ClientPortOf(int port) => port + ClientPortOffset <= IPEndPoint.MaxPort ? port + ClientPortOffset : port - ClientPortOffset;

    private static void Shake(SiloConnectionOptions options, SecretHandshake handshake)
    {
        options.ConfigureSiloOutboundConnection(handshake.Dial);
        options.ConfigureSiloInboundConnection(handshake.Accept);
        options.ConfigureGatewayInboundConnection(handshake.Accept);
    }

    /// <summary>A silent silo is dead when another one has missed three answers of it: in about 3 s, or within a second on one host or rack.</summary>
    private static void Detect(ClusterMembershipOptions options, bool fast)
    {
        options.ProbeTimeout = TimeSpan.FromMilliseconds(fast ? 250 : 1000);
        options.NumMissedProbesLimit = 3;
        options.NumVotesForDeathDeclaration = 1;
        options.TableRefreshTimeout = TimeSpan.FromSeconds(fast ? 1 : 5);
    }

    private static async Task<bool> KeepConnectingAsync(Exception fault, CancellationToken cancellationToken)
    {
        await Task.Delay(s_connectEvery, cancellationToken);
        return true;
    }
}
