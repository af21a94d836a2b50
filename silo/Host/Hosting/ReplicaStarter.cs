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
    IGrainFactory grains, ModelCatalog catalog, GpuPlans gpus, ICheckpointStore store, SiloOptions options, ILocalSiloDetails silo, ReplicaHost replicas, TimeProvider time, ILogger<ReplicaStarter> logger)
    : BackgroundService
{
    private static readonly TimeSpan RetryEvery = TimeSpan.FromSeconds(1);

    public override Task StartAsync(CancellationToken cancellationToken)
    {
        foreach (var model in catalog.Models)
        {
            _ = PlacementPlanner.Plan(model, options, silo.Name, gpus.PlanOf(model));
        }

        LogOpened(store.Usage.Sessions, options.DataDirectory ?? "the store");
        return base.StartAsync(cancellationToken);
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        if (options.LendsOnly)
        {
            return;
        }

        var replica = new ReplicaKey(catalog.Default.Id, silo.Name).ToString();
        var hasPartsElsewhere = options.StageSilos.Concat(options.ShardSilos).Any(other => other != silo.Name);
        try
        {
            while (!await TryLoadAsync(replica, stoppingToken) && hasPartsElsewhere)
            {
                await Task.Delay(RetryEvery, time, stoppingToken); // its silos may not have joined yet
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // The process stops before the model is there.
        }
    }

    private async Task<bool> TryLoadAsync(string replica, CancellationToken stoppingToken)
    {
        try
        {
            await grains.GetGrain<IReplicaGrain>(replica).LoadAsync().WaitAsync(stoppingToken);
            return true;
        }
        catch (Exception fault) when (!stoppingToken.IsCancellationRequested)
        {
            replicas.LoadOf(replica).Fail(fault.Message);
            LogNotLoaded(replica, fault.Message);
            return false;
        }
    }

    [LoggerMessage(LogLevel.Information, "{Sessions} sessions in {DataDirectory}")]
    private partial void LogOpened(long sessions, string dataDirectory);

    [LoggerMessage(LogLevel.Error, "Replica {Replica} is not loaded: {Fault}")]
    private partial void LogNotLoaded(string replica, string fault);
}
