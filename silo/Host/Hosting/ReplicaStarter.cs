using Loire.Contracts;
using Loire.Silo.Models;
using Loire.Silo.Placement;
using Loire.Silo.Replicas;
using Loire.Store;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Orleans;
using Orleans.Runtime;

namespace Loire.Silo;

/// <summary>Opens store and models before the process says that it has started, then loads the default model's replica behind it.</summary>
/// <remarks>A wrong setting or folder ends the start; weights that cannot be loaded show in the readiness, and the next turn tries again.</remarks>
internal sealed partial class ReplicaStarter(
    IGrainFactory grains, ModelCatalog catalog, ICheckpointStore store, SiloOptions options, ILocalSiloDetails silo, ReplicaHost replicas, ILogger<ReplicaStarter> logger)
    : BackgroundService
{
    public override Task StartAsync(CancellationToken cancellationToken)
    {
        foreach (var model in catalog.Models)
        {
            _ = PlacementPlanner.Plan(model, options);
        }

        LogOpened(store.Usage.Sessions, options.DataDirectory ?? "the store");
        return base.StartAsync(cancellationToken);
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var replica = new ReplicaKey(catalog.Default.Id, silo.Name).ToString();
        try
        {
            await grains.GetGrain<IReplicaGrain>(replica).LoadAsync().WaitAsync(stoppingToken);
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // The process stops before the model is there.
        }
        catch (Exception fault)
        {
            replicas.LoadOf(replica).Fail(fault.Message);
            LogNotLoaded(replica, fault.Message);
        }
    }

    [LoggerMessage(LogLevel.Information, "{Sessions} sessions in {DataDirectory}")]
    private partial void LogOpened(long sessions, string dataDirectory);

    [LoggerMessage(LogLevel.Error, "Replica {Replica} is not loaded: {Fault}")]
    private partial void LogNotLoaded(string replica, string fault);
}
