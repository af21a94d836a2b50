using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;

namespace Orleans.Hosting;

/// <summary>Configures the silo of a process.</summary>
public interface ISiloBuilder
{
    /// <summary>The services of the process.</summary>
    IServiceCollection Services { get; }

    /// <summary>The configuration of the process.</summary>
    IConfiguration Configuration { get; }
}

/// <summary>Configures a process that calls grains and hosts none.</summary>
public interface IClientBuilder
{
    /// <summary>The services of the process.</summary>
    IServiceCollection Services { get; }

    /// <summary>The configuration of the process.</summary>
    IConfiguration Configuration { get; }
}

internal sealed record SiloBuilder(IServiceCollection Services, IConfiguration Configuration) : ISiloBuilder;

internal sealed record ClientBuilder(IServiceCollection Services, IConfiguration Configuration) : IClientBuilder;
