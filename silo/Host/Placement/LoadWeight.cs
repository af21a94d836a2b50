using Loire.Contracts;

namespace Loire.Silo.Placement;

/// <summary>What a silo carries, in one number: placement of new sessions and rebalancing go by it.</summary>
internal static class LoadWeight
{
    /// <summary>A turn that runs takes a share of every step; an idle session takes a slot that gives way. 4: so that a few idle sessions never outweigh a turn.</summary>
    public const int OfTurn = 4;

    /// <summary>Of all that a silo carries. Where its pages are scarcer than its slots, the pages count as the slots that they would fill.</summary>
    public static double Of(SiloLoad load)
    {
        var byPages = load.Pages == 0 ? 0 : (double)load.Slots * load.BusyPages / load.Pages;
        return (OfTurn * Math.Max(load.Turns, byPages)) + load.IdleSessions;
    }
}
