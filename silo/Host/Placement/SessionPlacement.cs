using Loire.Contracts;
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

/// <summary>Rendezvous hashing with bounded loads: a session goes where its hash with the silo's is largest among those that do not carry too much, unless a caller names the silo.</summary>
/// <remarks>
/// Its state is in the store that all silos share, so any place is right; the same one each time saves reading the state. Two silos that
/// have heard other loads may choose differently: the directory decides which of two activations is the one.
/// Silos that only lend parts of replicas to others are left out.
/// </remarks>
internal sealed class SessionPlacementDirector(ISiloMetadataCache metadata, ClusterLoadTable table) : IPlacementDirector
{
    /// <summary>What a silo that runs no replica says about itself.</summary>
    public const string LendsOnly = "loire.lends-only";

    public Task<SiloAddress> OnAddActivation(PlacementStrategy strategy, PlacementTarget target, IPlacementContext context)
    {
        var compatible = context.GetCompatibleSilos(target);
        return Task.FromResult(IPlacementDirector.GetPlacementHint(target.RequestContextData, compatible) ?? Choose(target.GrainIdentity, Serving(compatible), table.Loads));
    }

    /// <summary>Where a session would go if these silos were all.</summary>
    public SiloAddress Choose(GrainId session, SiloAddress[] silos) => Choose(session, Serving(silos), table.Loads);

    /// <summary>Where nobody serves, any silo may say so.</summary>
    private SiloAddress[] Serving(SiloAddress[] compatible) =>
        Array.FindAll(compatible, silo => !metadata.GetSiloMetadata(silo).Metadata.ContainsKey(LendsOnly)) is { Length: > 0 } serving ? serving : compatible;

    /// <param name="session">To place.</param>
    /// <param name="silos">One or more.</param>
    /// <param name="loads">By address. Silos that are not among them have not spoken yet, and carry nothing.</param>
    internal static SiloAddress Choose(GrainId session, SiloAddress[] silos, IReadOnlyDictionary<string, SiloLoad> loads)
    {
        var hash = session.GetUniformHashCode();
        var ordered = silos.OrderByDescending(silo => Mix(hash, (uint)SiloAddress.New(silo.Endpoint, 0).GetConsistentHashCode())).ToArray();
        if (ordered.Length == 1 || loads.Count == 0)
        {
            return ordered[0];
        }

        var known = ordered.Select(silo => loads.GetValueOrDefault(silo.ToString())).OfType<SiloLoad>().ToArray();
        var fairForSlot = known.Sum(LoadWeight.Of) / Math.Max(1, known.Sum(load => load.Slots));
        return Array.Find(ordered, silo => loads.GetValueOrDefault(silo.ToString()) is not { } load || HasRoom(load, fairForSlot))
            ?? ordered[0];
    }

    /// <summary>The bound is that of rebalancing, so that no session is placed where it would be taken away again.</summary>
    private static bool HasRoom(SiloLoad load, double fairForSlot) =>
        load is { Serves: true, Drains: false }
        && LoadWeight.Of(load) <= ((1 + LoadBalance.Tolerance) * fairForSlot * load.Slots) + LoadBalance.Slack;

    /// <summary>Of 64 bits each of which depends on all of both.</summary>
    private static ulong Mix(uint session, uint silo)
    {
        var mixed = ((ulong)session << 32) | silo;
        mixed = (mixed ^ (mixed >> 33)) * 0xFF51AFD7ED558CCDUL;
        mixed = (mixed ^ (mixed >> 33)) * 0xC4CEB9FE1A85EC53UL;
        return mixed ^ (mixed >> 33);
    }
}
