using Loire.Contracts;
using Loire.Engine.Models;
using Loire.Engine.Replica;
using Loire.Silo.Models;

namespace Loire.Silo.Replicas;

/// <summary>Makes the engine of a replica from its parts. Tests put a scripted engine here.</summary>
/// <remarks>Called off the grains' scheduler; may take as long as reading the weights takes.</remarks>
public interface IReplicaEngineFactory
{
    ICpuStage LoadStage(ServedModel model, StagePlan plan, IProgress<double> progress);

    ICpuShard LoadShard(ServedModel model, ShardPlan plan, IProgress<double> progress);

    IReplicaEngine Join(ServedModel model, IReadOnlyList<ICpuStage> stages, IReadOnlyList<ICpuShard> shards, EngineOptions options);
}

/// <summary>Engines on this process's CPU.</summary>
public sealed class CpuEngineFactory : IReplicaEngineFactory
{
    public ICpuStage LoadStage(ServedModel model, StagePlan plan, IProgress<double> progress) =>
        CpuReplica.LoadStage(SourceOf(model), plan.FirstLayer, plan.EndLayer, progress);

    public ICpuShard LoadShard(ServedModel model, ShardPlan plan, IProgress<double> progress) =>
        CpuReplica.LoadShard(SourceOf(model), plan.FirstExpert, plan.EndExpert, progress);

    public IReplicaEngine Join(ServedModel model, IReadOnlyList<ICpuStage> stages, IReadOnlyList<ICpuShard> shards, EngineOptions options) =>
        CpuReplica.Join(SourceOf(model), stages, shards, options, model.Tokenizer);

    private static ModelFolder SourceOf(ServedModel model) =>
        model.Source ?? throw new ArgumentException($"Model '{model.Id}' has no folder to read weights from.", nameof(model));
}
