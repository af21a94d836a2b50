using System.Collections.Concurrent;
using Loire.Contracts;
using Loire.Engine.Replica;
using Loire.Silo.Models;
using Loire.Silo.Replicas;

namespace Loire.Silo.Links;

/// <summary>Loads stages and shards off the grains' scheduler, and says how far it is.</summary>
public sealed class PartLoader(ModelCatalog catalog, IReplicaEngineFactory factory, ReplicaHost replicas) : IDisposable
{
    private readonly ConcurrentDictionary<(string Replica, StagePlan Plan), Task<ICpuStage>> _stages = [];
    private readonly ConcurrentDictionary<(string Replica, ShardPlan Plan), Task<ICpuShard>> _shards = [];

    /// <summary>Loads a part before anybody asks for it; the first who does gets it.</summary>
    public Task PreloadAsync(string replica, StagePlan plan) => _stages.GetOrAdd((replica, plan), static (part, self) => self.ReadAsync(part.Replica, part.Plan), this);

    /// <inheritdoc cref="PreloadAsync(string, StagePlan)"/>
    public Task PreloadAsync(string replica, ShardPlan plan) => _shards.GetOrAdd((replica, plan), static (part, self) => self.ReadAsync(part.Replica, part.Plan), this);

    public Task<ICpuStage> LoadAsync(string replica, StagePlan plan) =>
        _stages.TryRemove((replica, plan), out var loaded) ? loaded : ReadAsync(replica, plan);

    public Task<ICpuShard> LoadAsync(string replica, ShardPlan plan) =>
        _shards.TryRemove((replica, plan), out var loaded) ? loaded : ReadAsync(replica, plan);

    /// <summary>Key of the replica that a part's key belongs to.</summary>
    public static string ReplicaOf(string partKey) => ReplicaKey.Parse(partKey).ToString();

    /// <summary>What was loaded and never asked for.</summary>
    public void Dispose()
    {
        foreach (var part in _stages.Values.Cast<Task>().Concat(_shards.Values))
        {
            if (part.IsCompletedSuccessfully)
            {
                (part is Task<ICpuStage> stage ? stage.GetAwaiter().GetResult() : (IDisposable)((Task<ICpuShard>)part).GetAwaiter().GetResult()).Dispose();
            }
        }
    }

    private Task<ICpuStage> ReadAsync(string replica, StagePlan plan)
    {
        var model = Require(plan.Model, plan.ModelDigest, $"stage {plan.Stage} of replica '{replica}'");
        var progress = replicas.LoadOf(replica).Part($"stage {plan.Stage}");
        return Task.Run(() => factory.LoadStage(model, plan, progress));
    }

    private Task<ICpuShard> ReadAsync(string replica, ShardPlan plan)
    {
        var model = Require(plan.Model, plan.ModelDigest, $"shard {plan.Shard} of replica '{replica}'");
        var progress = replicas.LoadOf(replica).Part($"shard {plan.Shard}");
        return Task.Run(() => factory.LoadShard(model, plan, progress));
    }

    /// <exception cref="ClusterException">This silo has other files than the replica's home.</exception>
    private ServedModel Require(string id, string? digest, string part)
    {
        var model = catalog.Require(id);
        return digest is null || model.Digest.ToString() == digest ? model : throw new ClusterException(
            FailureCode.Internal, $"The {part} is planned for model digest {digest}, but '{model.Folder}' has {model.Digest} here. Give every silo the same files.");
    }
}
