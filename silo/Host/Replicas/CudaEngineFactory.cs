using Loire.Contracts;
using Loire.Engine.Models;
using Loire.Engine.Placement;
using Loire.Engine.Replica;
using Loire.Silo.Models;
using Loire.Silo.Placement;

namespace Loire.Silo.Replicas;

/// <summary>Engines on GPUs of this host. Stages and shards say what of the plan they are; all of it is loaded when they are joined.</summary>
public sealed class CudaEngineFactory(GpuPlans plans) : IReplicaEngineFactory
{
    public ICpuStage LoadStage(ServedModel model, StagePlan plan, IProgress<double> progress) =>
        CudaReplica.LoadStage(SourceOf(model), PlanOf(model, plan.Device, $"Stage {plan.Stage}"), plan.Stage, plans.OptionsOf(model));

    public ICpuShard LoadShard(ServedModel model, ShardPlan plan, IProgress<double> progress) =>
        CudaReplica.LoadShard(SourceOf(model), PlanOf(model, plan.Device, $"Shard {plan.Shard}"), plan.Shard, plans.OptionsOf(model));

    public IReplicaEngine Join(ServedModel model, IReadOnlyList<ICpuStage> stages, IReadOnlyList<ICpuShard> shards, EngineOptions options) =>
        CudaReplica.Load(SourceOf(model), options, plans.OptionsOf(model), model.Tokenizer, shards: shards);

    /// <summary>A part of another silo's replica is on the CPU, since GPUs are not lent.</summary>
    private GpuPlan PlanOf(ServedModel model, string device, string part) => PlacementPlanner.IsGpu(device) && plans.PlanOf(model) is { } plan
        ? plan
        : throw new ClusterException(
            FailureCode.InvalidRequest, $"{part} of model '{model.Id}' is planned for {device}, and this silo computes on GPUs. Start it with --device cpu.", nameof(SiloOptions.Cuda));

    private static ModelFolder SourceOf(ServedModel model) =>
        model.Source ?? throw new ArgumentException($"Model '{model.Id}' has no folder to read weights from.", nameof(model));
}
