using System.Collections.Immutable;
using Loire.Contracts;
using Loire.Silo.Placement;

namespace Loire.Host.Tests;

/// <summary>Plans of moves, on clusters of random loads that the test carries out.</summary>
public sealed class LoadBalanceTests
{
    private const int MostMoves = 8;

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public void Whatever_the_loads_rounds_of_moves_end_and_no_silo_that_took_has_to_give(int seed)
    {
        var random = new Random(seed);
        for (var cluster = 0; cluster < 200; cluster++)
        {
            var silos = Enumerable.Range(0, random.Next(1, 9)).Select(i => Silo(
                $"s{i}", slots: 1 << random.Next(2, 7), turns: random.Next(30), idle: random.Next(4) == 0 ? random.Next(400) : random.Next(20),
                serves: random.Next(6) > 0, waiting: random.Next(8) == 0 ? 1 : 0)).ToArray();
            var (gave, took, weight) = (new HashSet<string>(), new HashSet<string>(), silos.Sum(LoadWeight.Of));
            for (var round = 0; ; round++)
            {
                Assert.True(round < 400, $"cluster {cluster} of seed {seed} still moves after {round} rounds");
                var plan = LoadBalance.Plan(silos, MostMoves);
                if (plan.IsEmpty)
                {
                    break;
                }

                var moves = plan.Values.SelectMany(orders => orders).Sum(order => order.Idle + order.Running);
                Assert.InRange(moves, 1, MostMoves);
                gave.UnionWith(plan.Keys);
                took.UnionWith(plan.Values.SelectMany(orders => orders).Select(order => order.To));
                var before = Spread(silos);
                silos = CarryOut(silos, plan);
                Assert.True(Spread(silos) < before, "a round did not bring the silos together");
            }

            Assert.Empty(gave.Intersect(took));
            Assert.Equal(weight, silos.Sum(LoadWeight.Of), 6);
            Assert.DoesNotContain(silos, silo => !silo.Serves && took.Contains(silo.Silo));
        }
    }

    [Fact]
    public void A_silo_that_joins_gets_its_share_of_idle_sessions()
    {
        SiloLoad[] silos = [Silo("a", 32, turns: 0, idle: 40), Silo("b", 32, turns: 0, idle: 40), Silo("new", 32, turns: 0, idle: 0)];
        for (var plan = LoadBalance.Plan(silos, MostMoves); !plan.IsEmpty; plan = LoadBalance.Plan(silos, MostMoves))
        {
            silos = CarryOut(silos, plan);
        }

        Assert.InRange(silos[2].IdleSessions, 12, 27);
        Assert.All(silos[..2], silo => Assert.InRange(silo.IdleSessions, 26, 38));
    }

    [Fact]
    public void Idle_sessions_go_first_and_running_ones_only_where_none_is_left()
    {
        var some = LoadBalance.Plan([Silo("a", 16, turns: 6, idle: 30), Silo("b", 16, turns: 0, idle: 0)], 100);
        Assert.Equal(new HandOver("b", 27, 0), Assert.Single(some["a"]));

        var none = LoadBalance.Plan([Silo("a", 16, turns: 8, idle: 1), Silo("b", 16, turns: 0, idle: 0)], 100);
        Assert.Equal(new HandOver("b", 1, 3), Assert.Single(none["a"]));
    }

    [Theory]
    [InlineData(0, 5, 0, 1)] // a few sessions are not worth a move
    [InlineData(1, 0, 0, 0)]
    [InlineData(10, 10, 9, 12)]
    public void Small_differences_are_left_alone(int turnsA, int idleA, int turnsB, int idleB) =>
        Assert.Empty(LoadBalance.Plan([Silo("a", 16, turnsA, idleA), Silo("b", 16, turnsB, idleB)], MostMoves));

    [Fact]
    public void Nothing_goes_to_a_silo_that_does_not_serve_drains_or_has_turns_waiting()
    {
        var full = Silo("a", 16, turns: 10, idle: 50);
        Assert.Empty(LoadBalance.Plan([full, Silo("b", 16, 0, 0, serves: false)], MostMoves));
        Assert.Empty(LoadBalance.Plan([full, Silo("b", 16, 0, 0) with { Drains = true }], MostMoves));
        Assert.Empty(LoadBalance.Plan([full, Silo("b", 16, 1, 0, waiting: 1)], MostMoves));
        Assert.Empty(LoadBalance.Plan([full], MostMoves));
        Assert.Empty(LoadBalance.Plan([], MostMoves));
    }

    [Fact]
    public void Pages_count_where_they_are_scarcer_than_slots()
    {
        var crowded = Silo("a", 16, turns: 1, idle: 0) with { Pages = 100, BusyPages = 80 };
        Assert.Equal(4 * 16 * 0.8, LoadWeight.Of(crowded), 6);
    }

    [Fact]
    public void A_larger_silo_has_a_larger_share()
    {
        SiloLoad[] silos = [Silo("small", 8, 0, 60), Silo("large", 24, 0, 20)];
        for (var plan = LoadBalance.Plan(silos, MostMoves); !plan.IsEmpty; plan = LoadBalance.Plan(silos, MostMoves))
        {
            silos = CarryOut(silos, plan);
        }

        Assert.InRange(silos[0].IdleSessions, 20, 29);
    }

    private static SiloLoad Silo(string name, int slots, int turns, int idle, bool serves = true, int waiting = 0) => new()
    {
        Silo = name, Address = name, Serves = serves, Slots = slots, Turns = Math.Max(turns, waiting), WaitingTurns = waiting, IdleSessions = idle,
    };

    /// <summary>Sum of what serving silos carry above their share.</summary>
    private static double Spread(SiloLoad[] silos)
    {
        var serving = silos.Where(silo => silo.Serves).ToArray();
        var share = serving.Sum(LoadWeight.Of) / serving.Sum(silo => silo.Slots);
        return serving.Sum(silo => Math.Max(0, LoadWeight.Of(silo) - (share * silo.Slots)));
    }

    private static SiloLoad[] CarryOut(SiloLoad[] silos, ImmutableDictionary<string, ImmutableArray<HandOver>> plan)
    {
        var after = silos.ToDictionary(silo => silo.Silo);
        foreach (var (from, orders) in plan)
        {
            foreach (var order in orders)
            {
                Assert.True(order.Idle >= 0 && order.Running >= 0);
                after[from] = Changed(after[from], -order.Idle, -order.Running);
                after[order.To] = Changed(after[order.To], order.Idle, order.Running);
            }
        }

        return [.. silos.Select(silo => after[silo.Silo])];
    }

    private static SiloLoad Changed(SiloLoad silo, int idle, int running)
    {
        Assert.True(silo.IdleSessions + idle >= 0 && silo.Turns + running >= silo.WaitingTurns, $"{silo.Silo} gives more than it has");
        return silo with { IdleSessions = silo.IdleSessions + idle, Turns = silo.Turns + running };
    }
}
