using System.Net;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Orleans.Configuration;
using Orleans.Hosting;
using Orleans.Runtime;

namespace Orleans.TestingHost;

/// <summary>How a test cluster is made.</summary>
public sealed class InProcessTestClusterOptions
{
    /// <summary>How many silos it starts with. One: silos of this runtime have no link to each other.</summary>
    public short InitialSilosCount { get; set; } = 1;

    /// <summary>The cluster's name.</summary>
    public string ClusterId { get; set; } = "test";

    /// <summary>The application's name.</summary>
    public string ServiceId { get; set; } = "test";

    /// <summary>What configures each silo's host.</summary>
    public List<Action<InProcessTestSiloSpecificOptions, IHostApplicationBuilder>> SiloHostConfigurationDelegates { get; } = [];
}

/// <summary>What one silo of a test cluster has for itself.</summary>
public sealed class InProcessTestSiloSpecificOptions
{
    /// <summary>The silo's name.</summary>
    public string SiloName { get; set; } = "Silo_0";

    /// <summary>The port in its address; nothing listens there.</summary>
    public int SiloPort { get; set; } = EndpointOptions.DEFAULT_SILO_PORT;

    /// <summary>The port for clients in its address; nothing listens there.</summary>
    public int GatewayPort { get; set; } = EndpointOptions.DEFAULT_GATEWAY_PORT;
}

/// <summary>Makes a cluster inside a test's process.</summary>
public sealed class InProcessTestClusterBuilder
{
    /// <summary>A cluster of one silo.</summary>
    public InProcessTestClusterBuilder()
        : this(1)
    {
    }

    /// <summary>A cluster of this many silos.</summary>
    /// <exception cref="OrleansConfigurationException">More than one: they would have no link to each other.</exception>
    public InProcessTestClusterBuilder(short initialSilosCount)
    {
        if (initialSilosCount != 1)
        {
            throw new OrleansConfigurationException($"A test cluster has one silo, not {initialSilosCount}: silos of this runtime have no link to each other.");
        }

        Options = new InProcessTestClusterOptions { InitialSilosCount = initialSilosCount };
    }

    /// <summary>How the cluster is made.</summary>
    public InProcessTestClusterOptions Options { get; }

    /// <summary>Configures each silo.</summary>
    public InProcessTestClusterBuilder ConfigureSilo(Action<InProcessTestSiloSpecificOptions, ISiloBuilder> configureSiloDelegate)
    {
        ArgumentNullException.ThrowIfNull(configureSiloDelegate);
        return ConfigureSiloHost((options, host) => configureSiloDelegate(options, new SiloBuilder(host.Services, host.Configuration)));
    }

    /// <summary>Configures each silo's host.</summary>
    public InProcessTestClusterBuilder ConfigureSiloHost(Action<InProcessTestSiloSpecificOptions, IHostApplicationBuilder> configureSiloHostDelegate)
    {
        Options.SiloHostConfigurationDelegates.Add(configureSiloHostDelegate);
        return this;
    }

    /// <summary>Makes the cluster; nothing starts before <see cref="InProcessTestCluster.DeployAsync"/>.</summary>
    public InProcessTestCluster Build() => new(Options);
}

/// <summary>One silo of a test cluster.</summary>
public sealed class InProcessSiloHandle(IHost host, string name)
{
    /// <summary>The silo's name.</summary>
    public string Name { get; } = name;

    /// <summary>The silo's host.</summary>
    public IHost SiloHost { get; } = host;

    /// <summary>The silo's services.</summary>
    public IServiceProvider ServiceProvider => SiloHost.Services;

    /// <summary>The silo's address.</summary>
    public SiloAddress SiloAddress => ServiceProvider.GetRequiredService<ILocalSiloDetails>().SiloAddress;

    /// <summary>Whether it takes calls.</summary>
    public bool IsActive => ServiceProvider.GetRequiredService<IClusterMembershipService>().CurrentSnapshot.GetSiloStatus(SiloAddress) == SiloStatus.Active;
}

/// <summary>A cluster inside a test's process.</summary>
public sealed class InProcessTestCluster(InProcessTestClusterOptions options) : IAsyncDisposable
{
    private readonly List<InProcessSiloHandle> _silos = [];

    /// <summary>How it was made.</summary>
    public InProcessTestClusterOptions Options { get; } = options;

    /// <summary>Its silos.</summary>
    public IReadOnlyList<InProcessSiloHandle> Silos => _silos;

    /// <summary>A client of it.</summary>
    public IClusterClient Client => GetSiloServiceProvider().GetRequiredService<IClusterClient>();

    /// <summary>The services of its silo.</summary>
    /// <exception cref="InvalidOperationException">It was not deployed.</exception>
    public IServiceProvider GetSiloServiceProvider(SiloAddress? silo = null) =>
        _silos.FirstOrDefault(handle => silo is null || handle.SiloAddress == silo)?.ServiceProvider
        ?? throw new InvalidOperationException($"The test cluster has no silo {silo?.ToString() ?? "yet: call DeployAsync"}.");

    /// <summary>Starts it.</summary>
    public async Task DeployAsync()
    {
        var own = new InProcessTestSiloSpecificOptions();
        var builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings());
        builder.Logging.SetMinimumLevel(LogLevel.Warning);
        builder.UseOrleans(silo => silo
            .ConfigureEndpoints(IPAddress.Loopback, own.SiloPort, own.GatewayPort)
            .Configure<SiloOptions>(options => options.SiloName = own.SiloName)
            .Configure<ClusterOptions>(options => (options.ClusterId, options.ServiceId) = (Options.ClusterId, Options.ServiceId)));
        foreach (var configure in Options.SiloHostConfigurationDelegates)
        {
            configure(own, builder);
        }

        var host = builder.Build();
        _silos.Add(new InProcessSiloHandle(host, own.SiloName));
        await host.StartAsync();
    }

    /// <summary>Stops a silo gracefully: its activations end first.</summary>
    public Task StopSiloAsync(InProcessSiloHandle instance)
    {
        ArgumentNullException.ThrowIfNull(instance);
        return _silos.Contains(instance)
            ? instance.SiloHost.StopAsync()
            : throw new ArgumentException($"{instance.Name} is not a silo of this cluster.", nameof(instance));
    }

    /// <summary>Stops all silos gracefully.</summary>
    public async Task StopAllSilosAsync()
    {
        foreach (var silo in _silos)
        {
            await StopSiloAsync(silo);
        }
    }

    /// <summary>Stops and frees all silos.</summary>
    public async ValueTask DisposeAsync()
    {
        await StopAllSilosAsync();
        foreach (var silo in _silos)
        {
            silo.SiloHost.Dispose();
        }

        _silos.Clear();
    }
}
