using System.Collections.Immutable;
using Loire.Contracts;
using Loire.Engine.Replica;
using Loire.Silo.Placement;
using Orleans;

namespace Loire.Silo.Links;

/// <summary>A set of experts of a replica on one device: loads them once and says where routed tokens go.</summary>
[KeepAlive, Pinned]
internal sealed class ExpertShardGrain(PartLoader loader, TensorLinks links) : Grain, IExpertShardGrain
{
    /// <summary>What the names of shards begin with, at the silo that has them; their grain's key follows.</summary>
    public const string NamePrefix = "shard:";

    private ShardPlan? _plan;
    private TensorEndpoint? _endpoint;
    private ICpuShard? _shard;

    public async Task<TensorEndpoint> OpenAsync(ShardPlan plan)
    {
        if (_endpoint is null || _plan != plan)
        {
            _shard = await loader.LoadAsync(PartLoader.ReplicaOf(this.GetPrimaryKeyString()), plan);
            _endpoint = links.Add(Name, _shard);
            _plan = plan;
        }

        return _endpoint;
    }

    public async Task CloseAsync()
    {
        (_plan, _endpoint, _shard) = (null, null, null);
        await Task.Run(() => links.Close(Name)); // waits for what is being computed there
        DeactivateOnIdle();
    }

    public Task<ShardView> GetAsync() => Task.FromResult(_shard is { } shard && _plan is { } plan
        ? new ShardView(plan.Shard, plan.Device, shard.FirstExpert, shard.EndExpert, shard.WeightBytes)
        {
            Silo = plan.Silo, ExpertLoad = LoadOf(shard), FirstLayer = plan.FirstLayer, EndLayer = plan.EndLayer,
        }
        : throw new ClusterException(FailureCode.NoCapacity, $"Expert shard '{this.GetPrimaryKeyString()}' is not loaded yet.", retryAfter: TimeSpan.FromSeconds(1)));

    private string Name => NamePrefix + this.GetPrimaryKeyString();

    private static ImmutableArray<long> LoadOf(ICpuShard shard)
    {
        var load = new long[shard.EndExpert - shard.FirstExpert];
        shard.CopyLoad(load);
        return [.. load];
    }
}
