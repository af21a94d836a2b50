using Loire.Contracts;
using Loire.Engine.Replica;
using Loire.Silo.Placement;
using Orleans;

namespace Loire.Silo.Links;

/// <summary>Layers [first, end) of a replica on one device: loads them once and says where their tensors go.</summary>
[KeepAlive, Pinned]
internal sealed class LayerStageGrain(PartLoader loader, TensorLinks links) : Grain, ILayerStageGrain
{
    private StagePlan? _plan;
    private TensorEndpoint? _endpoint;
    private ICpuStage? _stage;

    public async Task<TensorEndpoint> OpenAsync(StagePlan plan)
    {
        if (_endpoint is null || _plan != plan)
        {
            _stage = await loader.LoadAsync(PartLoader.ReplicaOf(this.GetPrimaryKeyString()), plan);
            _endpoint = links.Add($"stage:{this.GetPrimaryKeyString()}", _stage);
            _plan = plan;
        }

        return _endpoint;
    }

    public Task<StageView> GetAsync() => Task.FromResult(_stage is { } stage && _plan is { } plan
        ? new StageView(plan.Stage, plan.Device, stage.FirstLayer, stage.EndLayer, stage.WeightBytes) { Silo = plan.Silo }
        : throw new ClusterException(FailureCode.NoCapacity, $"Layer stage '{this.GetPrimaryKeyString()}' is not loaded yet.", retryAfter: TimeSpan.FromSeconds(1)));
}
