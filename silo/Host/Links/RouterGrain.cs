using System.Collections.Immutable;
using Loire.Contracts;
using Loire.Silo.Placement;
using Orleans;

namespace Loire.Silo.Links;

/// <summary>Which shard owns which expert of a replica, and how many tokens went to each.</summary>
[KeepAlive, Pinned]
internal sealed class RouterGrain(TensorLinks links) : Grain, IRouterGrain
{
    private ReplicaPlan? _plan;
    private ExpertTable _table = new([], []);

    public async Task<ExpertTable> OpenAsync(ReplicaPlan plan)
    {
        var key = ReplicaKey.Parse(this.GetPrimaryKeyString());
        var endpoints = await Task.WhenAll(plan.Shards.Select(
            shard => GrainFactory.GetGrain<IExpertShardGrain>(key.Part(shard.Shard)).OpenAsync(shard)));
        _table = new ExpertTable([.. endpoints], OwnersOf(plan.Shards));
        _plan = plan;
        return _table;
    }

    public async Task<RouterView> GetAsync()
    {
        if (_plan is not { } plan)
        {
            return new RouterView([], []);
        }

        var key = ReplicaKey.Parse(this.GetPrimaryKeyString());
        var load = LoadOf(_table);
        var shards = await Task.WhenAll(plan.Shards.Select(
            shard => GrainFactory.GetGrain<IExpertShardGrain>(key.Part(shard.Shard)).GetAsync()));
        return new RouterView([.. shards], load);
    }

    /// <summary>Shard of each expert. The plan covers each expert once, in order.</summary>
    internal static ImmutableArray<int> OwnersOf(ImmutableArray<ShardPlan> shards) =>
        [.. shards.SelectMany((shard, index) => Enumerable.Repeat(index, shard.EndExpert - shard.FirstExpert))];

    private ImmutableArray<long> LoadOf(ExpertTable table)
    {
        var load = new long[table.Owners.Length];
        foreach (var shard in table.Endpoints.Select(links.Shard))
        {
            shard.CopyLoad(load.AsSpan(shard.FirstExpert, shard.EndExpert - shard.FirstExpert));
        }

        return [.. load];
    }
}
