using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Orleans.Configuration;
using Orleans.Hosting;
using Orleans.Runtime;

namespace Orleans.TestingHost;

/// <summary>How a test cluster is made.</summary>
public sealed class InProcessTestClusterOptions
{
    /// <summary>How many silos it starts with.</summary>
    public short InitialSilosCount { get; set; } = 1;

    /// <summary>The cluster's name.</summary>
    public string ClusterId { get; set; } = "test";

    /// <summary>The application's name.</summary>
    public string ServiceId { get; set; } = "test";

    /// <summary>What configures each silo's host.</summary>
    public List<Action<InProcessTestSiloSpecificOptions, IHostApplicationBuilder>> SiloHostConfigurationDelegates { get; } = [];

    /// <summary>What configures the client's host. With one silo and nothing here, the silo's own client is used.</summary>
    public List<Action<IHostApplicationBuilder>> ClientHostConfigurationDelegates { get; } = [];
}

/// <summary>What one silo of a test cluster has for itself.</summary>
public sealed class InProcessTestSiloSpecificOptions
{
    /// <summary>The silo's name.</summary>
    public string SiloName { get; set; } = "Silo_0";

    /// <summary>The port for other silos; nothing listens there in a cluster of one silo.</summary>
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
    public InProcessTestClusterBuilder(short initialSilosCount)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(initialSilosCount, (short)1);
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

    /// <summary>Configures the client.</summary>
    public InProcessTestClusterBuilder ConfigureClient(Action<IClientBuilder> configureClientDelegate)
    {
        ArgumentNullException.ThrowIfNull(configureClientDelegate);
        Options.ClientHostConfigurationDelegates.Add(host => configureClientDelegate(new ClientBuilder(host.Services, host.Configuration)));
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
