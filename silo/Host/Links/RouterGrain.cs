using System.Collections.Immutable;
using Loire.Contracts;
using Loire.Silo.Placement;
using Loire.Silo.Replicas;
using Microsoft.Extensions.Logging;
using Orleans;
using Orleans.Runtime;

namespace Loire.Silo.Links;

/// <summary>Which shard owns which expert of a replica, how many tokens went to each, and moving a shard to another silo.</summary>
/// <remarks>A shard that was moved stays there when the replica is opened anew, as long as that silo is in the cluster.</remarks>
[KeepAlive, Pinned]
internal sealed partial class RouterGrain(ReplicaHost replicas, ILocalSiloDetails local, IClusterMembershipService membership, ILogger<RouterGrain> logger)
    : Grain, IRouterGrain
{
    private readonly Dictionary<int, string?> _moved = [];
    private readonly Dictionary<int, long[]> _loadBefore = []; // of shards that were moved, by shard
    private ReplicaPlan? _plan;
    private ExpertTable _table = new([], []);

    public async Task<ExpertTable> OpenAsync(ReplicaPlan plan)
    {
        plan = plan with { Shards = [.. plan.Shards.Select(Moved)] };
        var endpoints = await Task.WhenAll(plan.Shards.Select(shard => GrainOf(shard).OpenAsync(shard)));
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

        var shards = await Task.WhenAll(plan.Shards.Select(shard => GrainOf(shard).GetAsync()));
        var load = new long[shards.Select(shard => shard.EndExpert).DefaultIfEmpty().Max()];
        foreach (var shard in shards)
        {
            for (var expert = 0; expert < shard.ExpertLoad.Length; expert++)
            {
                load[shard.FirstExpert + expert] += shard.ExpertLoad[expert] + Before(shard.Shard, expert);
            }
        }

        return new RouterView([.. shards], [.. load]);
    }

    /// <remarks>1. load it there; 2. change the table between two steps; 3. free the old one. A failure before the third step leaves the old one in use. A shard of a silo that is gone is loaded at the new one, and the replica opened anew.</remarks>
    public async Task<ShardView> MoveShardAsync(int shard, string silo)
    {
        var plan = _plan ?? throw new ClusterException(FailureCode.NoCapacity, $"Replica '{this.GetPrimaryKeyString()}' is not loaded yet.", retryAfter: TimeSpan.FromSeconds(1));
        var old = plan.Shards.FirstOrDefault(candidate => candidate.Shard == shard)
            ?? throw new ClusterException(FailureCode.NotFound, $"Replica '{this.GetPrimaryKeyString()}' has no expert shard {shard}; it has {plan.Shards.Length}, from 0.", "shard");
        if (PlacementPlanner.IsGpu(old.Device))
        {
            throw new ClusterException(FailureCode.InvalidRequest, $"Expert shard {shard} is on {old.Device}: shards on GPUs stay with their replica. Shards on the CPU move.", "shard");
        }

        RequireActive(silo);
        var moved = old with { Silo = silo == HomeName ? null : silo };
        if (moved == old)
        {
            return await GrainOf(old).GetAsync();
        }

        var endpoint = await GrainOf(moved).OpenAsync(moved);
        if (!IsActive(old.Silo ?? HomeName))
        {
            return await ReplaceAsync(plan, old, moved, endpoint, loadBefore: []); // the replica is lost, and opened anew with the new one
        }

        try
        {
            await replicas.RouteAsync(this.GetPrimaryKeyString(), plan.Shards.IndexOf(old), endpoint);
        }
        catch
        {
            await GrainOf(moved).CloseAsync();
            throw;
        }

        var before = await GrainOf(old).GetAsync();
        var view = await ReplaceAsync(plan, old, moved, endpoint, before.ExpertLoad);
        await GrainOf(old).CloseAsync();
        return view;
    }

    private async Task<ShardView> ReplaceAsync(ReplicaPlan plan, ShardPlan old, ShardPlan moved, TensorEndpoint endpoint, ImmutableArray<long> loadBefore)
    {
        var shard = moved.Shard;
        _loadBefore[shard] = [.. Enumerable.Range(0, moved.EndExpert - moved.FirstExpert).Select(expert => Before(shard, expert) + (loadBefore.IsEmpty ? 0 : loadBefore[expert]))];
        _moved[shard] = moved.Silo;
        _plan = plan with { Shards = plan.Shards.Replace(old, moved) };
        _table = _table with { Endpoints = _table.Endpoints.SetItem(plan.Shards.IndexOf(old), endpoint) };
        LogMoved(shard, this.GetPrimaryKeyString(), old.Silo ?? HomeName, moved.Silo ?? HomeName);
        return await GrainOf(moved).GetAsync();
    }

    /// <summary>Shard of each expert. The plan covers each expert of a layer once, in order.</summary>
    internal static ImmutableArray<int> OwnersOf(ImmutableArray<ShardPlan> shards) =>
    [
        .. shards.Index()
            .Where(shard => shard.Item.FirstLayer == shards[0].FirstLayer)
            .SelectMany(shard => Enumerable.Repeat(shard.Index, shard.Item.EndExpert - shard.Item.FirstExpert)),
    ];

    private string HomeName => local.Name;

    private IExpertShardGrain GrainOf(ShardPlan shard) =>
        GrainFactory.GetGrain<IExpertShardGrain>(ReplicaKey.Parse(this.GetPrimaryKeyString()).Part(shard.Shard, shard.Silo));

    private ShardPlan Moved(ShardPlan shard) =>
        _moved.TryGetValue(shard.Shard, out var silo) && IsActive(silo ?? HomeName) ? shard with { Silo = silo } : shard;

    private long Before(int shard, int expert) => _loadBefore.TryGetValue(shard, out var load) ? load[expert] : 0;

    private bool IsActive(string silo) =>
        membership.CurrentSnapshot.Members.Values.Any(member => member.Name == silo && member.Status == SiloStatus.Active);

    private void RequireActive(string silo)
    {
        if (!IsActive(silo))
        {
            var active = membership.CurrentSnapshot.Members.Values.Where(member => member.Status == SiloStatus.Active).Select(member => member.Name).Distinct();
            throw new ClusterException(FailureCode.NotFound, $"There is no active silo '{silo}'. Active: {string.Join(", ", active)}.", "silo");
        }
    }

    [LoggerMessage(LogLevel.Information, "Expert shard {Shard} of replica {Replica} has moved from silo {From} to {To}")]
    private partial void LogMoved(int shard, string replica, string from, string to);
}
