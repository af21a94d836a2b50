using Loire.Contracts;
using Loire.Silo.Placement;
using Microsoft.Extensions.Logging;
using Orleans;
using Orleans.Runtime;
using Orleans.Runtime.MembershipService.SiloMetadata;

namespace Loire.Silo.Links;

/// <summary>The expert shards that this silo lends to replicas of others, and their way out before it stops.</summary>
/// <remarks>A shard goes to another silo that only lends, else to its replica's home, while the replica's turns run on. Layer stages do not move: their replica is lost with this silo, and opened anew when it is back.</remarks>
internal sealed partial class LentShards(
    TensorLinks links, IGrainFactory grains, IClusterMembershipService membership, ISiloMetadataCache metadata, ILocalSiloDetails local, SiloOptions options,
    TimeProvider time, ILogger<LentShards> logger)
{
    /// <summary>Moves them all, as far as it comes within the time for a drain. One that does not move is lost to its replica as if this silo had died.</summary>
    public Task LeaveAsync() => Task.WhenAll(links.Names
        .Where(name => name.StartsWith(ExpertShardGrain.NamePrefix, StringComparison.Ordinal))
        .Select(name => name[ExpertShardGrain.NamePrefix.Length..])
        .Where(key => ReplicaKey.Parse(key).Home != local.Name)
        .Select(MoveAsync));

    private async Task MoveAsync(string key)
    {
        var replica = ReplicaKey.Parse(key);
        try
        {
            var shard = ReplicaKey.NumberOf(key);
            var target = Target(shard) ?? replica.Home;
            await grains.GetGrain<IRouterGrain>(replica.ToString()).MoveShardAsync(shard, target).WaitAsync(options.DrainTimeout, time);
            LogMoved(shard, replica.ToString(), target);
        }
        catch (Exception fault) when (fault is OrleansException or ClusterException or TimeoutException or FormatException)
        {
            LogNotMoved(key, fault.Message);
        }
    }

    /// <summary>Another silo that only lends: its devices are there for this.</summary>
    private string? Target(int shard)
    {
        var lenders = membership.CurrentSnapshot.Members.Values
            .Where(member => member.Status == SiloStatus.Active
                && member.SiloAddress != local.SiloAddress
                && metadata.GetSiloMetadata(member.SiloAddress).Metadata.ContainsKey(SessionPlacementDirector.LendsOnly))
            .Select(member => member.Name)
            .Order(StringComparer.Ordinal)
            .ToArray();
        return lenders.Length == 0 ? null : lenders[shard % lenders.Length];
    }

    [LoggerMessage(LogLevel.Information, "Expert shard {Shard} of replica {Replica} has gone to silo {Silo}, because this one stops")]
    private partial void LogMoved(int shard, string replica, string silo);

    [LoggerMessage(LogLevel.Warning, "Expert shard {Shard} could not go to another silo before this one stops; its replica loses it: {Fault}")]
    private partial void LogNotMoved(string shard, string fault);
}
