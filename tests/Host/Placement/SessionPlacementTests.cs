using System.Net;
using Loire.Contracts;
using Loire.Silo.Placement;
using Orleans.Runtime;

namespace Loire.Host.Tests;

/// <summary>Where new sessions go: by their names, and away from silos that carry too much.</summary>
public sealed class SessionPlacementTests
{
    private static readonly SiloAddress[] s_silos = [.. Enumerable.Range(0, 4).Select(i => SiloAddress.New(new IPEndPoint(IPAddress.Loopback, 11_000 + i), 7))];

    [Fact]
    public void Without_loads_the_name_decides_and_few_sessions_go_elsewhere_when_a_silo_goes()
    {
        var all = Sessions(1000).Select(session => Choose(session, s_silos, [])).ToArray();
        var three = Sessions(1000).Select(session => Choose(session, s_silos[..3], [])).ToArray();

        Assert.All(s_silos, silo => Assert.InRange(all.Count(chosen => chosen == silo), 190, 310));
        Assert.All(all.Zip(three), pair => Assert.True(pair.First == s_silos[3] || pair.First == pair.Second));
    }

    [Fact]
    public void Even_loads_change_nothing()
    {
        var loads = s_silos.Select(silo => Load(silo, idle: 20)).ToArray();
        Assert.All(Sessions(200), session => Assert.Equal(Choose(session, s_silos, []), Choose(session, s_silos, loads)));
    }

    [Theory]
    [InlineData(true, false, 0)] // carries too much
    [InlineData(false, true, 0)]
    [InlineData(false, false, 0)] // not ready
    public void A_silo_that_should_get_none_gets_none_and_the_others_share_what_it_would_have_got(bool serves, bool drains, int waiting)
    {
        SiloLoad[] loads = [Load(s_silos[0], idle: 200) with { Serves = serves, Drains = drains, WaitingTurns = waiting }, .. s_silos[1..].Select(silo => Load(silo, idle: 20))];

        var chosen = Sessions(1000).Select(session => Choose(session, s_silos, loads)).ToArray();

        Assert.DoesNotContain(s_silos[0], chosen);
        Assert.All(s_silos[1..], silo => Assert.InRange(chosen.Count(other => other == silo), 270, 400));
    }

    [Fact]
    public void A_silo_that_has_not_spoken_yet_is_as_good_as_any()
    {
        var loads = s_silos[..3].Select(silo => Load(silo, idle: 20)).ToArray();
        Assert.InRange(Sessions(1000).Count(session => Choose(session, s_silos, loads) == s_silos[3]), 190, 310);
    }

    [Fact]
    public void Sessions_that_come_one_by_one_fill_silos_by_their_size()
    {
        var loads = s_silos.Select((silo, i) => Load(silo, idle: 0) with { Slots = i == 0 ? 64 : 16 }).ToArray();
        foreach (var session in Sessions(700))
        {
            var index = Array.IndexOf(s_silos, Choose(session, s_silos, loads));
            loads[index] = loads[index] with { IdleSessions = loads[index].IdleSessions + 1 };
        }

        var fair = 700 / 112.0;
        Assert.All(loads, load => Assert.InRange(load.IdleSessions, 0, (fair * load.Slots * (1 + LoadBalance.Tolerance)) + LoadBalance.Slack + 1));
    }

    private static IEnumerable<GrainId> Sessions(int count) => Enumerable.Range(0, count).Select(i => GrainId.Create("session", $"local/s{i}"));

    private static SiloAddress Choose(GrainId session, SiloAddress[] silos, SiloLoad[] loads) =>
        SessionPlacementDirector.Choose(session, silos, loads.ToDictionary(load => load.Address));

    private static SiloLoad Load(SiloAddress silo, int idle) => new()
    {
        Silo = silo.ToString(), Address = silo.ToString(), Serves = true, Slots = 64, IdleSessions = idle,
    };
}
