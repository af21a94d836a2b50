using Loire.Contracts;
using Loire.Silo.Links;
using Loire.Silo.Models;
using Loire.Silo.Placement;
using Microsoft.Extensions.Hosting;
using Orleans.Runtime;

namespace Loire.Silo;

/// <summary>Reads the default model's weights before the silo joins the cluster: from then on sessions come to it, and would wait.</summary>
internal sealed class ReplicaPreloader(ModelCatalog catalog, GpuPlans gpus, PartLoader loader, SiloOptions options, ILocalSiloDetails silo) : IHostedService
{
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        if (options.LendsOnly)
        {
            return;
        }

        var plan = PlacementPlanner.Plan(catalog.Default, options, silo.Name, gpus.PlanOf(catalog.Default));
        var replica = new ReplicaKey(catalog.Default.Id, silo.Name).ToString();
        await Task.WhenAll(
            [
                .. plan.Stages.Where(stage => stage.Silo is null).Select(stage => loader.PreloadAsync(replica, stage)),
                .. plan.Shards.Where(shard => shard.Silo is null).Select(shard => loader.PreloadAsync(replica, shard)),
            ]).WaitAsync(cancellationToken);
    }

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}
