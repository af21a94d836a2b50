using Orleans.Placement;
using Orleans.Runtime;
using Orleans.Runtime.MembershipService.SiloMetadata;
using Orleans.Runtime.Placement;

namespace Loire.Silo.Placement;

/// <summary>Spreads sessions evenly over the silos, and moves few of them when a silo comes or goes.</summary>
internal sealed class SessionPlacement : PlacementStrategy;

/// <inheritdoc cref="SessionPlacement"/>
[AttributeUsage(AttributeTargets.Class)]
internal sealed class SessionPlacedAttribute() : PlacementAttribute(new SessionPlacement());

/// <summary>Rendezvous hashing: a session goes where its hash with the silo's is largest, unless a caller names the silo.</summary>
/// <remarks>Its state is in the store that all silos share, so any place is right; the same one each time saves reading the state.</remarks>
/// <remarks>Silos that only lend parts of replicas to others are left out.</remarks>
internal sealed class SessionPlacementDirector(ISiloMetadataCache metadata) : IPlacementDirector
{
    /// <summary>What a silo that runs no replica says about itself.</summary>
    public const string LendsOnly = "loire.lends-only";

    public Task<SiloAddress> OnAddActivation(PlacementStrategy strategy, PlacementTarget target, IPlacementContext context)
    {
        var compatible = context.GetCompatibleSilos(target);
        return Task.FromResult(IPlacementDirector.GetPlacementHint(target.RequestContextData, compatible) ?? Choose(target.GrainIdentity, Serving(compatible)));
    }

    /// <summary>Where nobody serves, any silo may say so.</summary>
    private SiloAddress[] Serving(SiloAddress[] compatible) =>
        Array.FindAll(compatible, silo => !metadata.GetSiloMetadata(silo).Metadata.ContainsKey(LendsOnly)) is { Length: > 0 } serving ? serving : compatible;

    internal static SiloAddress Choose(GrainId session, SiloAddress[] silos)
    {
        var hash = session.GetUniformHashCode();
        return silos.MaxBy(silo => Mix(hash, (uint)SiloAddress.New(silo.Endpoint, 0).GetConsistentHashCode()))!; // there is one: the context throws otherwise
    }

    /// <summary>Of 64 bits each of which depends on all of both.</summary>
    private static ulong Mix(uint session, uint silo)
    {
        var mixed = ((ulong)session << 32) | silo;
        mixed = (mixed ^ (mixed >> 33)) * 0xFF51AFD7ED558CCDUL;
        mixed = (mixed ^ (mixed >> 33)) * 0xC4CEB9FE1A85EC53UL;
        return mixed ^ (mixed >> 33);
    }
}
