using Loire.Actors;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Orleans.Hosting;

namespace Microsoft.Extensions.Hosting;

/// <summary>Makes a process a client of the cluster.</summary>
public static class OrleansClientGenericHostExtensions
{
    /// <summary>Gives the process <c>IGrainFactory</c> and <c>IClusterClient</c>. With a silo in the same process, calls go to that.</summary>
    public static IHostApplicationBuilder UseOrleansClient(this IHostApplicationBuilder hostAppBuilder, Action<IClientBuilder> configureDelegate)
    {
        ArgumentNullException.ThrowIfNull(hostAppBuilder);
        Add(hostAppBuilder.Services, hostAppBuilder.Configuration, configureDelegate);
        return hostAppBuilder;
    }

    /// <inheritdoc cref="UseOrleansClient(IHostApplicationBuilder, Action{IClientBuilder})"/>
    public static IHostApplicationBuilder UseOrleansClient(this IHostApplicationBuilder hostAppBuilder) => hostAppBuilder.UseOrleansClient(_ => { });

    /// <inheritdoc cref="UseOrleansClient(IHostApplicationBuilder, Action{IClientBuilder})"/>
    public static HostApplicationBuilder UseOrleansClient(this HostApplicationBuilder hostAppBuilder, Action<IClientBuilder> configureDelegate)
    {
        ((IHostApplicationBuilder)hostAppBuilder).UseOrleansClient(configureDelegate);
        return hostAppBuilder;
    }

    /// <inheritdoc cref="UseOrleansClient(IHostApplicationBuilder, Action{IClientBuilder})"/>
    public static HostApplicationBuilder UseOrleansClient(this HostApplicationBuilder hostAppBuilder) => hostAppBuilder.UseOrleansClient(_ => { });

    /// <inheritdoc cref="UseOrleansClient(IHostApplicationBuilder, Action{IClientBuilder})"/>
    public static IHostBuilder UseOrleansClient(this IHostBuilder hostBuilder, Action<IClientBuilder> configureDelegate)
    {
        ArgumentNullException.ThrowIfNull(hostBuilder);
        return hostBuilder.ConfigureServices((context, services) => Add(services, context.Configuration, configureDelegate));
    }

    private static void Add(IServiceCollection services, IConfiguration configuration, Action<IClientBuilder> configure)
    {
        ArgumentNullException.ThrowIfNull(configure);
        ClientServices.Add(services);
        configure(new ClientBuilder(services, configuration));
    }
}
