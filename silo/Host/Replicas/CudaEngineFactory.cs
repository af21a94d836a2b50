using Loire.Contracts;
using Loire.Engine.Models;
using Loire.Engine.Replica;
using Loire.Silo.Models;

namespace Loire.Silo.Replicas;

/// <summary>Engines on one GPU of this host.</summary>
public sealed class CudaEngineFactory(CudaOptions cuda) : IReplicaEngineFactory
{
    public ICpuStage LoadStage(ServedModel model, StagePlan plan, IProgress<double> progress) =>
        CudaReplica.LoadStage(SourceOf(model), plan.FirstLayer, plan.EndLayer);

    public ICpuShard LoadShard(ServedModel model, ShardPlan plan, IProgress<double> progress) =>
        CudaReplica.LoadShard(SourceOf(model), plan.FirstExpert, plan.EndExpert);

    public IReplicaEngine Join(ServedModel model, IReadOnlyList<ICpuStage> stages, IReadOnlyList<ICpuShard> shards, EngineOptions options) =>
        CudaReplica.Load(SourceOf(model), options, cuda, model.Tokenizer);

    private static ModelFolder SourceOf(ServedModel model) =>
        model.Source ?? throw new ArgumentException($"Model '{model.Id}' has no folder to read weights from.", nameof(model));
}
