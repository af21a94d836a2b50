using System.Net;
using System.Net.Sockets;
using Loire.Actors;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Orleans.Configuration;
using Orleans.Hosting;
using Orleans.Runtime;

namespace Orleans.TestingHost;

/// <summary>A cluster inside a test's process.</summary>
/// <remarks>One silo is alone: no port, no client of its own. Several meet over the loopback interface; membership and directory are in the process's memory.</remarks>
public sealed class InProcessTestCluster(InProcessTestClusterOptions options) : IAsyncDisposable
{
    private readonly List<InProcessSiloHandle> _silos = [];
    private readonly MemoryCluster _cluster = new();
    private IHost? _client;
    private int _started;

    /// <summary>How it was made.</summary>
    public InProcessTestClusterOptions Options { get; } = options;

    /// <summary>Its silos that have not been stopped or killed.</summary>
    public IReadOnlyList<InProcessSiloHandle> Silos => _silos;

    /// <summary>A client of it: in a cluster of several silos, one that calls over connections of its own.</summary>
    public IClusterClient Client => (_client?.Services ?? GetSiloServiceProvider()).GetRequiredService<IClusterClient>();

    private bool IsAlone => Options is { InitialSilosCount: 1, ClientHostConfigurationDelegates.Count: 0 };

    /// <summary>The services of a silo, or of the first.</summary>
    /// <exception cref="InvalidOperationException">There is none.</exception>
    public IServiceProvider GetSiloServiceProvider(SiloAddress? silo = null) =>
        _silos.FirstOrDefault(handle => silo is null || handle.SiloAddress == silo)?.ServiceProvider
        ?? throw new InvalidOperationException($"The test cluster has no silo {silo?.ToString() ?? "yet: call DeployAsync"}.");

    /// <summary>Starts it.</summary>
    public async Task DeployAsync()
    {
        for (var silo = 0; silo < Options.InitialSilosCount; silo++)
        {
            await StartSiloAsync();
        }

        if (!IsAlone)
        {
            _client = BuildClient();
            await _client.StartAsync();
        }
    }

    /// <summary>Starts one more silo.</summary>
    /// <exception cref="InvalidOperationException">The cluster was made for one silo.</exception>
    public Task<InProcessSiloHandle> StartAdditionalSiloAsync() => IsAlone
        ? throw new InvalidOperationException("This test cluster was made for one silo, which listens nowhere: make it for two or more.")
        : StartSiloAsync();

    /// <summary>Stops a silo gracefully: its activations end first.</summary>
    public async Task StopSiloAsync(InProcessSiloHandle instance)
    {
        ArgumentNullException.ThrowIfNull(instance);
        if (!_silos.Contains(instance))
        {
            throw new ArgumentException($"{instance.Name} is not a silo of this cluster.", nameof(instance));
        }

        await instance.SiloHost.StopAsync();
        if (!IsAlone)
        {
            _silos.Remove(instance);
            instance.SiloHost.Dispose();
        }
    }

    /// <summary>Ends a silo as a crash would: its connections break, nothing is unregistered, and membership declares it dead.</summary>
    public async Task KillSiloAsync(InProcessSiloHandle instance)
    {
        ArgumentNullException.ThrowIfNull(instance);
        if (!_silos.Remove(instance))
        {
            throw new ArgumentException($"{instance.Name} is not a silo of this cluster.", nameof(instance));
        }

        await instance.ServiceProvider.GetRequiredService<SiloRuntime>().CrashAsync();
        _cluster.Set(instance.SiloAddress, instance.Name, SiloStatus.Dead);
    }

    /// <summary>Stops all silos gracefully.</summary>
    public async Task StopAllSilosAsync()
    {
        foreach (var silo in _silos.ToArray())
        {
            await StopSiloAsync(silo);
        }
    }

    /// <summary>Stops and frees client and silos.</summary>
    public async ValueTask DisposeAsync()
    {
        if (_client is not null)
        {
            await _client.StopAsync();
            _client.Dispose();
        }

        await StopAllSilosAsync();
        foreach (var silo in _silos)
        {
            silo.SiloHost.Dispose();
        }

        _silos.Clear();
    }

    private async Task<InProcessSiloHandle> StartSiloAsync()
    {
        var own = new InProcessTestSiloSpecificOptions { SiloName = $"Silo_{_started++}" };
        if (!IsAlone)
        {
            own.SiloPort = FreePort();
        }

        var builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings());
        builder.Logging.SetMinimumLevel(LogLevel.Warning);
        builder.UseOrleans(silo => silo
            .ConfigureEndpoints(IPAddress.Loopback, own.SiloPort, own.GatewayPort)
            .Configure<SiloOptions>(options => options.SiloName = own.SiloName)
            .Configure<ClusterOptions>(options => (options.ClusterId, options.ServiceId) = (Options.ClusterId, Options.ServiceId)));
        if (!IsAlone)
        {
            _cluster.AddTo(builder.Services);
        }

        foreach (var configure in Options.SiloHostConfigurationDelegates)
        {
            configure(own, builder);
        }

        var host = builder.Build();
        var handle = new InProcessSiloHandle(host, own.SiloName);
        _silos.Add(handle);
        await host.StartAsync();
        return handle;
    }

    private IHost BuildClient()
    {
        var builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings());
        builder.Logging.SetMinimumLevel(LogLevel.Warning);
        builder.UseOrleansClient(client => client
            .Configure<ClusterOptions>(options => (options.ClusterId, options.ServiceId) = (Options.ClusterId, Options.ServiceId)));
        _cluster.AddTo(builder.Services);
        foreach (var configure in Options.ClientHostConfigurationDelegates)
        {
            configure(builder);
        }

        return builder.Build();
    }

    private static int FreePort()
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        return ((IPEndPoint)socket.LocalEndPoint!).Port;
    }
}
