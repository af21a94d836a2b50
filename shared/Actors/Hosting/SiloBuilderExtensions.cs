using System.Net;
using System.Net.Sockets;
using Loire.Actors;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Orleans.Configuration;
using Orleans.Runtime;
using Orleans.Runtime.Placement;

namespace Orleans.Hosting;

/// <summary>Services, options and logging of a silo.</summary>
public static class SiloBuilderExtensions
{
    /// <summary>Adds services.</summary>
    public static ISiloBuilder ConfigureServices(this ISiloBuilder builder, Action<IServiceCollection> configureDelegate)
    {
        ArgumentNullException.ThrowIfNull(builder);
        ArgumentNullException.ThrowIfNull(configureDelegate);
        configureDelegate(builder.Services);
        return builder;
    }

    /// <summary>Sets options.</summary>
    public static ISiloBuilder Configure<TOptions>(this ISiloBuilder builder, Action<TOptions> configureOptions)
        where TOptions : class =>
        builder.ConfigureServices(services => services.Configure(configureOptions));

    /// <summary>Sets options from configuration.</summary>
    public static ISiloBuilder Configure<TOptions>(this ISiloBuilder builder, IConfiguration configuration)
        where TOptions : class =>
        builder.ConfigureServices(services => services.AddOptions<TOptions>().Bind(configuration));

    /// <summary>Sets up logging.</summary>
    public static ISiloBuilder ConfigureLogging(this ISiloBuilder builder, Action<ILoggingBuilder> configureLogging) =>
        builder.ConfigureServices(services => services.AddLogging(configureLogging));
}

/// <summary>Clustering on this host.</summary>
public static class CoreHostingExtensions
{
    /// <summary>One silo, on the loopback address.</summary>
    public static ISiloBuilder UseLocalhostClustering(
        this ISiloBuilder builder,
        int siloPort = EndpointOptions.DEFAULT_SILO_PORT,
        int gatewayPort = EndpointOptions.DEFAULT_GATEWAY_PORT,
        IPEndPoint? primarySiloEndpoint = null,
        string serviceId = ClusterOptions.DevelopmentName,
        string clusterId = ClusterOptions.DevelopmentName)
    {
        if (primarySiloEndpoint is not null && primarySiloEndpoint.Port != siloPort)
        {
            throw new OrleansConfigurationException(
                $"{nameof(primarySiloEndpoint)} is {primarySiloEndpoint}, but localhost clustering has one silo, at port {siloPort}. Use a clustering provider for more.");
        }

        return builder
            .ConfigureEndpoints(IPAddress.Loopback, siloPort, gatewayPort)
            .Configure<ClusterOptions>(options => (options.ServiceId, options.ClusterId) = (serviceId, clusterId));
    }
}

/// <summary>Where a silo is reached.</summary>
public static class EndpointOptionsExtensions
{
    /// <summary>Advertises this address and these ports.</summary>
    public static ISiloBuilder ConfigureEndpoints(
        this ISiloBuilder builder, IPAddress advertisedIP, int siloPort, int gatewayPort, bool listenOnAnyHostAddress = false) =>
        builder.Configure<EndpointOptions>(options =>
        {
            options.AdvertisedIPAddress = advertisedIP;
            options.SiloPort = siloPort;
            options.GatewayPort = gatewayPort;
            if (listenOnAnyHostAddress)
            {
                options.SiloListeningEndpoint = new IPEndPoint(IPAddress.Any, siloPort);
                options.GatewayListeningEndpoint = new IPEndPoint(IPAddress.Any, gatewayPort);
            }
        });

    /// <summary>Advertises the first address that this host's name resolves to.</summary>
    public static ISiloBuilder ConfigureEndpoints(
        this ISiloBuilder builder, int siloPort, int gatewayPort, AddressFamily addressFamily = AddressFamily.InterNetwork, bool listenOnAnyHostAddress = false) =>
        builder.ConfigureEndpoints(null, siloPort, gatewayPort, addressFamily, listenOnAnyHostAddress);

    /// <summary>Advertises the first address that <paramref name="hostname"/> resolves to.</summary>
    /// <exception cref="OrleansConfigurationException">It resolves to none of this family.</exception>
    public static ISiloBuilder ConfigureEndpoints(
        this ISiloBuilder builder,
        string? hostname,
        int siloPort,
        int gatewayPort,
        AddressFamily addressFamily = AddressFamily.InterNetwork,
        bool listenOnAnyHostAddress = false)
    {
        var name = hostname ?? Dns.GetHostName();
        var address = Dns.GetHostAddresses(name, addressFamily).FirstOrDefault()
            ?? throw new OrleansConfigurationException($"The host name '{name}' resolves to no address of family {addressFamily}.");
        return builder.ConfigureEndpoints(address, siloPort, gatewayPort, listenOnAnyHostAddress);
    }
}

/// <summary>Filters of the calls that a silo's grains receive.</summary>
public static class GrainCallFilterSiloBuilderExtensions
{
    /// <summary>Adds a filter, made once.</summary>
    public static ISiloBuilder AddIncomingGrainCallFilter<TImplementation>(this ISiloBuilder builder)
        where TImplementation : class, IIncomingGrainCallFilter =>
        builder.ConfigureServices(services => services.AddSingleton<IIncomingGrainCallFilter, TImplementation>());

    /// <summary>Adds a filter.</summary>
    public static ISiloBuilder AddIncomingGrainCallFilter(this ISiloBuilder builder, IIncomingGrainCallFilter filter) =>
        builder.ConfigureServices(services => services.AddSingleton(filter));

    /// <summary>Adds a filter written as a delegate.</summary>
    public static ISiloBuilder AddIncomingGrainCallFilter(this ISiloBuilder builder, IncomingGrainCallFilterDelegate filter) =>
        builder.AddIncomingGrainCallFilter(new DelegateFilter(filter));

    private sealed class DelegateFilter(IncomingGrainCallFilterDelegate filter) : IIncomingGrainCallFilter
    {
        public Task Invoke(IIncomingGrainCallContext context) => filter(context);
    }
}

/// <summary>Placement of the application's own.</summary>
public static class PlacementStrategyExtensions
{
    /// <summary>Says which director chooses for a strategy.</summary>
    public static ISiloBuilder AddPlacementDirector<TStrategy, TDirector>(this ISiloBuilder builder)
        where TStrategy : PlacementStrategy, new()
        where TDirector : class, IPlacementDirector =>
        builder.ConfigureServices(services => services.AddPlacementDirector<TStrategy, TDirector>());

    /// <summary>Says which director chooses for a strategy.</summary>
    public static ISiloBuilder AddPlacementDirector<TStrategy>(this ISiloBuilder builder, Func<IServiceProvider, IPlacementDirector> createDirector)
        where TStrategy : PlacementStrategy, new() =>
        builder.ConfigureServices(services => services.AddKeyedSingleton(typeof(TStrategy), (provider, _) => createDirector(provider)));

    /// <summary>Says which director chooses for a strategy.</summary>
    public static void AddPlacementDirector<TStrategy, TDirector>(this IServiceCollection services)
        where TStrategy : PlacementStrategy, new()
        where TDirector : class, IPlacementDirector =>
        services.AddKeyedSingleton<IPlacementDirector, TDirector>(typeof(TStrategy));
}

/// <summary>The store in memory: gone with the process.</summary>
public static class MemoryGrainStorageSiloBuilderExtensions
{
    /// <summary>Adds a store of this name.</summary>
    public static ISiloBuilder AddMemoryGrainStorage(this ISiloBuilder builder, string name, Action<MemoryGrainStorageOptions>? configureOptions = null) =>
        builder.ConfigureServices(services =>
        {
            if (configureOptions is not null)
            {
                services.Configure(name, configureOptions);
            }

            services.AddKeyedSingleton<Storage.IGrainStorage, MemoryGrainStorage>(name);
        });

    /// <summary>Adds the store that states without a store's name use.</summary>
    public static ISiloBuilder AddMemoryGrainStorageAsDefault(this ISiloBuilder builder, Action<MemoryGrainStorageOptions>? configureOptions = null) =>
        builder.AddMemoryGrainStorage(Storage.GrainStorageNames.Default, configureOptions);
}
