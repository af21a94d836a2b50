using Loire.Contracts;
using Orleans.Placement;
using Orleans.Runtime;
using Orleans.Runtime.Placement;

namespace Loire.Silo.Placement;

/// <summary>On the silo that the grain's key names (<c>silo</c>, <c>model/silo</c> and what follows, or after an <c>@</c> at its end), unless the caller names another.</summary>
internal sealed class PinnedPlacement : PlacementStrategy;

/// <inheritdoc cref="PinnedPlacement"/>
[AttributeUsage(AttributeTargets.Class)]
internal sealed class PinnedAttribute() : PlacementAttribute(new PinnedPlacement());

/// <summary>Replicas, their parts and what speaks for a silo stay where their devices are: elsewhere they would have nothing.</summary>
internal sealed class PinnedPlacementDirector(IClusterMembershipService membership) : IPlacementDirector
{
    public Task<SiloAddress> OnAddActivation(PlacementStrategy strategy, PlacementTarget target, IPlacementContext context)
    {
        var compatible = context.GetCompatibleSilos(target);
        return Task.FromResult(IPlacementDirector.GetPlacementHint(target.RequestContextData, compatible) ?? HomeOf(target, compatible));
    }

    private SiloAddress HomeOf(PlacementTarget target, SiloAddress[] compatible)
    {
        var key = target.GrainIdentity.Key.ToString()!; // a key is text
        var home = key.Contains('/') ? ReplicaKey.SiloOf(key) : key;
        return membership.CurrentSnapshot.Members.Values
            .Where(member => member.Name == home && compatible.Contains(member.SiloAddress))
            .Select(member => member.SiloAddress)
            .MaxBy(address => address.Generation)
            ?? throw new SiloUnavailableException($"{target.GrainIdentity} belongs to silo '{home}', which is not in the cluster now.");
    }
}
