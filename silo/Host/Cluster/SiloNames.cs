using Loire.Contracts;
using Loire.Silo.Placement;
using Orleans.Runtime;

namespace Loire.Silo.Cluster;

/// <summary>Silos by the names that operators call them.</summary>
internal sealed class SiloNames(IClusterMembershipService membership, ILocalSiloDetails local, SessionPlacementDirector placement)
{
    /// <summary>Where a session is to go.</summary>
    /// <param name="name">Null: any other silo that serves, by its load as for a new session; this one when there is none.</param>
    /// <param name="session">Whose.</param>
    /// <exception cref="ClusterException">No active silo has this name.</exception>
    public (string Name, SiloAddress Address) Target(string? name, GrainId session)
    {
        var active = membership.CurrentSnapshot.Members.Values.Where(member => member.Status == SiloStatus.Active).OrderBy(member => member.SiloAddress).ToArray();
        if (name is null)
        {
            var others = active.Where(member => member.SiloAddress != local.SiloAddress).ToArray();
            if (others.Length == 0)
            {
                return (local.Name, local.SiloAddress);
            }

            var chosen = placement.Choose(session, [.. others.Select(member => member.SiloAddress)]);
            return (others.First(member => member.SiloAddress == chosen).Name, chosen);
        }

        return active.LastOrDefault(member => member.Name == name) is { } found
            ? (found.Name, found.SiloAddress)
            : throw new ClusterException(
                FailureCode.NotFound, $"There is no active silo '{name}'. Active: {string.Join(", ", active.Select(member => member.Name))}.", "silo");
    }
}
