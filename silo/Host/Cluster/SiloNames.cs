using Loire.Contracts;
using Orleans.Runtime;

namespace Loire.Silo.Cluster;

/// <summary>Silos by the names that operators call them.</summary>
public sealed class SiloNames(IClusterMembershipService membership, ILocalSiloDetails local)
{
    /// <summary>Where a session is to go.</summary>
    /// <param name="name">Null: any other silo; this one when there is none.</param>
    /// <param name="session">Whose: any other silo is the same one each time.</param>
    /// <exception cref="ClusterException">No active silo has this name.</exception>
    public (string Name, SiloAddress Address) Target(string? name, SessionKey session)
    {
        var active = membership.CurrentSnapshot.Members.Values.Where(member => member.Status == SiloStatus.Active).OrderBy(member => member.SiloAddress).ToArray();
        if (name is null)
        {
            var others = active.Where(member => member.SiloAddress != local.SiloAddress).ToArray();
            return others.Length == 0
                ? (local.Name, local.SiloAddress)
                : others[(int)((uint)session.ToString().GetHashCode(StringComparison.Ordinal) % (uint)others.Length)] is var other ? (other.Name, other.SiloAddress) : default;
        }

        return active.LastOrDefault(member => member.Name == name) is { } found
            ? (found.Name, found.SiloAddress)
            : throw new ClusterException(
                FailureCode.NotFound, $"There is no active silo '{name}'. Active: {string.Join(", ", active.Select(member => member.Name))}.", "silo");
    }
}
