using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;
using Orleans;
using Orleans.Configuration;
using Orleans.Runtime;

namespace Loire.Actors;

/// <summary>Starts and stops the silo with its process.</summary>
/// <remarks>
/// Up: the listener; 1. stages below active; 2. the silo is active; 3. the stage <see cref="ServiceLifecycleStage.Active"/> and later.
/// Down: 1. those again, while grains still run; 2. all activations end, within the deactivation time-out; 3. the other stages.
/// </remarks>
internal sealed class SiloHost(
    SiloRuntime runtime,
    IClusterMembershipService membership,
    ISiloAnnouncer announcer,
    ILocalSiloDetails local,
    IOptions<EndpointOptions> endpoints,
    IServiceProvider services) : IHostedService, IDisposable
{
    private readonly SiloLifecycle _lifecycle = new();
    private readonly CancellationTokenSource _stop = new();
    private ITimer? _collector;
    private bool _disposed;

    public async Task StartAsync(CancellationToken cancellationToken)
    {
        if (membership is not LocalMembership)
        {
            var listen = endpoints.Value.SiloListeningEndpoint ?? local.SiloAddress.Endpoint;
            runtime.Links.Start(listen);
        }

        await announcer.AnnounceAsync(SiloStatus.Joining, cancellationToken);
        _ = runtime.WatchMembershipAsync(_stop.Token);
        runtime.Deadlines.Start();
        _collector = runtime.Time.CreateTimer(
            static runtime => ((SiloRuntime)runtime!).Collect(), runtime, runtime.CollectionQuantum, runtime.CollectionQuantum);
        _lifecycle.Subscribe(nameof(SiloHost), ServiceLifecycleStage.BecomeActive, BecomeActiveAsync, EndGrainsAsync);
        foreach (var participant in services.GetServices<ILifecycleParticipant<ISiloLifecycle>>())
        {
            participant.Participate(_lifecycle);
        }

        try
        {
            await _lifecycle.StartAsync(cancellationToken);
        }
        catch
        {
            await StopAsync(CancellationToken.None);
            throw;
        }

        runtime.Log.Started(local.Name, local.SiloAddress, runtime.Manifest.ClassCount);
    }

    public async Task StopAsync(CancellationToken cancellationToken)
    {
        if (membership.CurrentSnapshot.GetSiloStatus(local.SiloAddress) == SiloStatus.Dead)
        {
            return;
        }

        await announcer.AnnounceAsync(SiloStatus.ShuttingDown, cancellationToken);
        await _lifecycle.StopAsync(runtime.Log.StopFailed, cancellationToken);
        await announcer.AnnounceAsync(SiloStatus.Dead, CancellationToken.None);
        Dispose();
        runtime.Log.Stopped(local.SiloAddress);
    }

    public void Dispose()
    {
        if (_disposed)
        {
            return;
        }

        _disposed = true;
        _stop.Cancel();
        _collector?.Dispose();
        runtime.Links.Dispose();
        runtime.Deadlines.Dispose();
        _stop.Dispose();
    }

    private Task BecomeActiveAsync(CancellationToken cancellationToken) => announcer.AnnounceAsync(SiloStatus.Active, cancellationToken);

    private async Task EndGrainsAsync(CancellationToken cancellationToken)
    {
        using var timeout = new CancellationTokenSource(runtime.DeactivationTimeout, runtime.Time);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, cancellationToken);
        await runtime.Catalog.CloseAsync(both.Token);
        try
        {
            await runtime.Links.DrainAsync(both.Token);
        }
        catch (OperationCanceledException)
        {
            // Who still waits learns from membership that this silo is gone.
        }
    }
}
