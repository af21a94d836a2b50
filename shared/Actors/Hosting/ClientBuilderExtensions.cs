using Microsoft.Extensions.DependencyInjection;
using Orleans.Configuration;

namespace Orleans.Hosting;

/// <summary>Services, options and clustering of a client.</summary>
public static class ClientBuilderExtensions
{
    /// <summary>Adds services.</summary>
    public static IClientBuilder ConfigureServices(this IClientBuilder builder, Action<IServiceCollection> configureDelegate)
    {
        ArgumentNullException.ThrowIfNull(builder);
        ArgumentNullException.ThrowIfNull(configureDelegate);
        configureDelegate(builder.Services);
        return builder;
    }

    /// <summary>Sets options.</summary>
    public static IClientBuilder Configure<TOptions>(this IClientBuilder builder, Action<TOptions> configureOptions)
        where TOptions : class =>
        builder.ConfigureServices(services => services.Configure(configureOptions));

    /// <summary>Finds a silo on this host.</summary>
    public static IClientBuilder UseLocalhostClustering(
        this IClientBuilder builder,
        int gatewayPort = EndpointOptions.DEFAULT_GATEWAY_PORT,
        string serviceId = ClusterOptions.DevelopmentName,
        string clusterId = ClusterOptions.DevelopmentName) =>
        builder
            .Configure<ClusterOptions>(options => (options.ServiceId, options.ClusterId) = (serviceId, clusterId))
            .Configure<EndpointOptions>(options => options.GatewayPort = gatewayPort);
}
