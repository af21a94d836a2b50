using System.Net;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;
using Orleans.Configuration;
using Orleans.GrainDirectory;
using Orleans.Runtime;

namespace Loire.Actors;

/// <summary>The services of a process that only calls grains. Beside a silo, that silo is used.</summary>
internal static class ClientServices
{
    public static void Add(IServiceCollection services)
    {
        services.AddHostedService<ClientHost>();
        services.TryAddSingleton<ILocalSiloDetails, ClientDetails>();
        services.TryAddSingleton<IGrainDirectory, LocalGrainDirectory>();
        SiloServices.AddRuntime(services);
    }
}

/// <summary>Who a client is: no address that could be dialled, but one that no other client has.</summary>
internal sealed class ClientDetails(IOptions<ClusterOptions> cluster) : ILocalSiloDetails
{
    public string Name { get; } = $"client-{Environment.ProcessId}";

    public string ClusterId => cluster.Value.ClusterId;

    public string DnsHostName { get; } = Dns.GetHostName();

    public SiloAddress SiloAddress { get; } = SiloAddress.New(
        IPAddress.Any,
        System.Security.Cryptography.RandomNumberGenerator.GetInt32(1, IPEndPoint.MaxPort),
        System.Security.Cryptography.RandomNumberGenerator.GetInt32(int.MaxValue));

    public SiloAddress GatewayAddress => SiloAddress;
}

/// <summary>Starts and stops a client with its process. Beside a silo it does nothing.</summary>
internal sealed class ClientHost(IServiceProvider services) : IHostedService, IDisposable
{
    private readonly CancellationTokenSource _stop = new();
    private SiloRuntime? _runtime;

    /// <exception cref="OrleansConfigurationException">Nothing says where the silos are.</exception>
    public Task StartAsync(CancellationToken cancellationToken)
    {
        if (services.GetService<IClusterMembershipService>() is null)
        {
            throw new OrleansConfigurationException(
                "UseOrleansClient finds no silo: call UseOrleans in the same process, or configure a clustering provider, such as UseRedisClustering.");
        }

        var runtime = services.GetRequiredService<SiloRuntime>();
        if (!runtime.IsClient)
        {
            return Task.CompletedTask;
        }

        _runtime = runtime;
        runtime.Links.Start(endpoint: null);
        runtime.Deadlines.Start();
        _ = runtime.WatchMembershipAsync(_stop.Token);
        return Task.CompletedTask;
    }

    public Task StopAsync(CancellationToken cancellationToken)
    {
        Dispose();
        return Task.CompletedTask;
    }

    public void Dispose()
    {
        if (_runtime is { } runtime)
        {
            _runtime = null;
            _stop.Cancel();
            runtime.Links.Dispose();
            runtime.Deadlines.Dispose();
            _stop.Dispose();
        }
    }
}
