using System.Collections.Immutable;
using Loire.Contracts;
using Loire.Silo;
using Loire.Silo.Cluster;

namespace Loire.Host.Tests;

/// <summary>When rounds of moves are planned: on what all silos said, and not before the round before has had its effect.</summary>
public sealed class RebalancerTests
{
    private static readonly SiloOptions s_options = new() { ModelFolders = ["."] };
    private static readonly ImmutableHashSet<string> s_both = ["a", "b"];

    private readonly FakeTime _time = new();

    [Fact]
    public void Sessions_go_once_all_silos_have_spoken_and_not_again_before_that_shows()
    {
        var rebalancer = new Rebalancer(s_options, _time);
        Assert.Empty(rebalancer.Report(Load("a", 40), s_both, isChanging: false).HandOvers);
        _time.Advance(s_options.RebalanceEvery);
        Assert.Empty(rebalancer.Report(Load("a", 40), s_both, isChanging: false).HandOvers); // b has not spoken
        rebalancer.Report(Load("b", 0), s_both, isChanging: false);

        Assert.Equal([new HandOver("b", 8, 0)], rebalancer.Report(Load("a", 40), s_both, isChanging: false).HandOvers.ToArray());
        Assert.Empty(rebalancer.Report(Load("a", 40), s_both, isChanging: false).HandOvers); // told once

        _time.Advance(s_options.RebalanceEvery - s_options.ReportLoadEvery);
        Assert.Empty(Round(rebalancer, 40, 0));
        _time.Advance(s_options.ReportLoadEvery);
        Assert.Equal([new HandOver("b", 8, 0)], Round(rebalancer, 32, 8).ToArray());
    }

    [Fact]
    public void Nothing_goes_while_a_silo_is_silent_drains_joins_or_leaves()
    {
        var rebalancer = Settled();
        _time.Advance(s_options.ReportLoadEvery * 4);
        Assert.Empty(rebalancer.Report(Load("a", 40), s_both, isChanging: false).HandOvers); // b is silent

        Assert.Empty(Round(Settled(), 40, 0, isChanging: true));
        var draining = Settled();
        draining.Report(Load("b", 0) with { Drains = true }, s_both, isChanging: false);
        Assert.Empty(draining.Report(Load("a", 40), s_both, isChanging: false).HandOvers);
    }

    [Fact]
    public void A_silo_that_joins_or_goes_begins_the_wait_anew()
    {
        var rebalancer = Settled();
        ImmutableHashSet<string> three = ["a", "b", "c"];
        rebalancer.Report(Load("c", 0), three, isChanging: false);
        rebalancer.Report(Load("b", 0), three, isChanging: false);
        Assert.Empty(rebalancer.Report(Load("a", 40), three, isChanging: false).HandOvers);

        _time.Advance(s_options.RebalanceEvery);
        rebalancer.Report(Load("c", 0), three, isChanging: false);
        rebalancer.Report(Load("b", 0), three, isChanging: false);
        var heard = rebalancer.Report(Load("a", 40), three, isChanging: false);
        Assert.Equal(8, heard.HandOvers.Sum(order => order.Idle));
        Assert.Equal(3, heard.Silos.Length);
        Assert.Equal(2, rebalancer.Report(Load("a", 40), s_both, isChanging: false).Silos.Length);
    }

    [Fact]
    public void Switched_off_it_only_passes_on_what_was_said()
    {
        var rebalancer = new Rebalancer(s_options with { Rebalance = false }, _time);
        _time.Advance(s_options.RebalanceEvery);
        rebalancer.Report(Load("b", 0), s_both, isChanging: false);
        var heard = rebalancer.Report(Load("a", 40), s_both, isChanging: false);

        Assert.Empty(heard.HandOvers);
        Assert.Equal(2, heard.Silos.Length);
    }

    /// <summary>One that would plan at the next report, were all well.</summary>
    private Rebalancer Settled()
    {
        var rebalancer = new Rebalancer(s_options, _time);
        Round(rebalancer, 20, 20);
        _time.Advance(s_options.RebalanceEvery);
        return rebalancer;
    }

    private static ImmutableArray<HandOver> Round(Rebalancer rebalancer, int idleOfA, int idleOfB, bool isChanging = false)
    {
        rebalancer.Report(Load("b", idleOfB), s_both, isChanging);
        return rebalancer.Report(Load("a", idleOfA), s_both, isChanging).HandOvers;
    }

    private static SiloLoad Load(string silo, int idle) => new() { Silo = silo, Address = silo, Serves = true, Slots = 32, IdleSessions = idle };
}
