using Loire.Actors.Manifest;
using Microsoft.Extensions.DependencyInjection;
using Orleans.Runtime;
using Orleans.Runtime.Placement;

namespace Loire.Actors;

/// <summary>Asks the director of a grain class's strategy for the silo of a new activation.</summary>
internal sealed class PlacementService(IServiceProvider services, ILocalSiloDetails local, IClusterMembershipService membership) : IPlacementContext
{
    private readonly Random _random = new(local.SiloAddress.GetConsistentHashCode());

    public SiloAddress LocalSilo => local.SiloAddress;

    public SiloStatus LocalSiloStatus => membership.CurrentSnapshot.GetSiloStatus(local.SiloAddress);

    public SiloAddress[] GetCompatibleSilos(PlacementTarget target)
    {
        SiloAddress[] active = [.. membership.CurrentSnapshot.Members.Values
            .Where(member => member.Status is SiloStatus.Active or SiloStatus.Joining)
            .Select(member => member.SiloAddress)
            .Order()];
        return active.Length > 0
            ? active
            : throw new SiloUnavailableException($"No active silo can host {target.GrainIdentity}: the cluster stops, or has not started.");
    }

    /// <summary>The silo for a new activation of this class.</summary>
    public Task<SiloAddress> PlaceAsync(GrainClass grainClass, PlacementTarget target)
    {
        var strategy = grainClass.Placement;
        if (services.GetKeyedService<IPlacementDirector>(strategy.GetType()) is { } director)
        {
            return director.OnAddActivation(strategy, target, this);
        }

        var compatible = GetCompatibleSilos(target);
        if (IPlacementDirector.GetPlacementHint(target.RequestContextData, compatible) is { } hint)
        {
            return Task.FromResult(hint);
        }

        return strategy switch
        {
            HashBasedPlacement => Task.FromResult(compatible[target.GrainIdentity.GetUniformHashCode() % (uint)compatible.Length]),
            PreferLocalPlacement when compatible.Contains(LocalSilo) => Task.FromResult(LocalSilo),
            RandomPlacement or PreferLocalPlacement => Task.FromResult(compatible[Next(compatible.Length)]),
            _ => throw new OrleansException(
                $"No placement director is registered for {strategy.GetType().Name} of {grainClass.Name}: call AddPlacementDirector<{strategy.GetType().Name}, ...>()."),
        };
    }

    private int Next(int count)
    {
        lock (_random)
        {
            return _random.Next(count);
        }
    }
}
