using System.Collections.Immutable;
using Loire.Contracts;

namespace Loire.Silo.Placement;

/// <summary>Plans which sessions go from silos with more load to those with less. A pure function of what the silos say.</summary>
/// <remarks>
/// <para>A silo's fair share is its part of all weight, by its slots. One gives only when it is above its share by a tenth and
/// <see cref="Slack"/>, and is then brought towards its share, never below it; one takes only up to its share, and never while turns wait
/// there. So no session that has moved is on a silo that would give it back: as long as the load itself stands still, moves bring the silos
/// together and end.</para>
/// <para>Idle sessions go first: nobody notices. A running one goes only where no idle one is left to go.</para>
/// </remarks>
internal static class LoadBalance
{
    /// <summary>Share above the fair one that is left alone.</summary>
    public const double Tolerance = 0.1;

    /// <summary>Weight above it that is left alone too, so that few sessions do not move for nothing.</summary>
    public const double Slack = LoadWeight.OfTurn / 2.0;

    /// <param name="silos">What each said last. Silos that do not serve neither give nor take.</param>
    /// <param name="mostMoves">Most sessions to move.</param>
    /// <returns>For each silo that is to give: what to whom.</returns>
    public static ImmutableDictionary<string, ImmutableArray<HandOver>> Plan(IReadOnlyCollection<SiloLoad> silos, int mostMoves)
    {
        var serving = silos.Where(silo => silo is { Serves: true, Drains: false, Slots: > 0 }).OrderBy(silo => silo.Silo, StringComparer.Ordinal).ToArray();
        var slots = serving.Sum(silo => (double)silo.Slots);
        var fairForSlot = serving.Sum(LoadWeight.Of) / Math.Max(slots, 1);
        var givers = serving
            .Select(silo => new Part(silo, LoadWeight.Of(silo) - (fairForSlot * silo.Slots)))
            .Where(part => part.Surplus > (Tolerance * fairForSlot * part.Silo.Slots) + Slack)
            .OrderByDescending(part => part.Surplus);
        var takers = serving
            .Where(silo => silo.WaitingTurns == 0)
            .Select(silo => new Part(silo, LoadWeight.Of(silo) - (fairForSlot * silo.Slots)))
            .Where(part => part.Surplus < 0)
            .OrderBy(part => part.Surplus)
            .ToArray();

        var plan = ImmutableDictionary.CreateBuilder<string, ImmutableArray<HandOver>>(StringComparer.Ordinal);
        foreach (var giver in givers)
        {
            var orders = Share(giver, takers, ref mostMoves);
            if (orders.Length > 0)
            {
                plan.Add(giver.Silo.Silo, orders);
            }
        }

        return plan.ToImmutable();
    }

    /// <summary>What one silo gives, and to whom: the emptiest first.</summary>
    private static ImmutableArray<HandOver> Share(Part giver, Part[] takers, ref int mostMoves)
    {
        var orders = ImmutableArray.CreateBuilder<HandOver>();
        var (idle, running) = (giver.Silo.IdleSessions, giver.Silo.Turns - giver.Silo.WaitingTurns);
        foreach (var taker in takers)
        {
            var weight = Math.Min(giver.Surplus, -taker.Surplus);
            var idleMoves = Math.Min(Math.Min(idle, (int)weight), mostMoves);
            var runningMoves = idleMoves < idle ? 0 : Math.Min(Math.Min(running, (int)((weight - idleMoves) / LoadWeight.OfTurn)), mostMoves - idleMoves);
            if (idleMoves + runningMoves == 0)
            {
                continue;
            }

            orders.Add(new HandOver(taker.Silo.Silo, idleMoves, runningMoves));
            idle -= idleMoves;
            running -= runningMoves;
            mostMoves -= idleMoves + runningMoves;
            giver.Surplus -= idleMoves + (runningMoves * LoadWeight.OfTurn);
            taker.Surplus += idleMoves + (runningMoves * LoadWeight.OfTurn);
        }

        return orders.ToImmutable();
    }

    /// <summary>A silo and its weight above its fair share, as the plan changes it.</summary>
    private sealed class Part(SiloLoad silo, double surplus)
    {
        public SiloLoad Silo => silo;

        public double Surplus { get; set; } = surplus;
    }
}
