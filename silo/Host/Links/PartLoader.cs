using Loire.Contracts;
using Loire.Engine.Replica;
using Loire.Silo.Models;
using Loire.Silo.Replicas;

namespace Loire.Silo.Links;

/// <summary>Loads stages and shards off the grains' scheduler, and says how far it is.</summary>
public sealed class PartLoader(ModelCatalog catalog, IReplicaEngineFactory factory, ReplicaHost replicas)
{
    public Task<ICpuStage> LoadAsync(string replica, StagePlan plan)
    {
        var model = catalog.Require(plan.Model);
        var progress = replicas.LoadOf(replica).Part($"stage {plan.Stage}");
        return Task.Run(() => factory.LoadStage(model, plan, progress));
    }

    public Task<ICpuShard> LoadAsync(string replica, ShardPlan plan)
    {
        var model = catalog.Require(plan.Model);
        var progress = replicas.LoadOf(replica).Part($"shard {plan.Shard}");
        return Task.Run(() => factory.LoadShard(model, plan, progress));
    }

    /// <summary>Key of the replica that a part's key belongs to.</summary>
    public static string ReplicaOf(string partKey) => ReplicaKey.Parse(partKey).ToString();
}
