using System.Collections.Immutable;
using Loire.Contracts;
using Loire.Silo.Placement;

namespace Loire.Silo.Cluster;

/// <summary>Keeps what each silo said last, and says when sessions are to move. Damped: a round is planned only on what was said after the round before it had its effect.</summary>
/// <remarks>Owned by one scheduler. Its memory is the silos of the cluster. After it is made anew it knows nothing, and plans nothing before every silo has spoken.</remarks>
internal sealed class Rebalancer(SiloOptions options, TimeProvider time)
{
    private readonly Dictionary<string, (SiloLoad Load, DateTimeOffset At)> _said = [];
    private ImmutableDictionary<string, ImmutableArray<HandOver>> _plan = ImmutableDictionary<string, ImmutableArray<HandOver>>.Empty;
    private ImmutableHashSet<string> _members = [];
    private DateTimeOffset _plannedAt = time.GetUtcNow();

    /// <param name="load">Of one silo.</param>
    /// <param name="active">Addresses of the silos that are active.</param>
    /// <param name="isChanging">Whether some silo joins or leaves just now.</param>
    public ClusterLoads Report(SiloLoad load, ImmutableHashSet<string> active, bool isChanging)
    {
        var now = time.GetUtcNow();
        if (!_members.SetEquals(active))
        {
            _members = active;
            Forget(now);
        }

        _said[load.Address] = (load, now);
        foreach (var gone in _said.Keys.Where(address => !active.Contains(address)).ToArray())
        {
            _said.Remove(gone);
        }

        if (options.Rebalance && !isChanging && IsDue(now))
        {
            _plan = LoadBalance.Plan([.. _said.Values.Select(said => said.Load)], options.RebalanceMoves);
            _plannedAt = now;
        }

        var own = _plan.GetValueOrDefault(load.Silo, []);
        _plan = _plan.Remove(load.Silo);
        return new ClusterLoads
        {
            Silos = [.. _said.Values.Where(said => now - said.At <= Fresh).Select(said => said.Load)],
            HandOvers = load.Drains ? [] : own,
        };
    }

    /// <summary>What was said longer ago says nothing about now.</summary>
    private TimeSpan Fresh => options.ReportLoadEvery * 3;

    /// <summary>All are there and well, and have spoken since the round before was over.</summary>
    private bool IsDue(DateTimeOffset now)
    {
        var settled = _plannedAt + options.RebalanceEvery;
        return now >= settled
            && _members.All(address => _said.TryGetValue(address, out var said)
                && !said.Load.Drains
                && now - said.At <= Fresh
                && said.At >= settled - options.ReportLoadEvery);
    }

    private void Forget(DateTimeOffset now)
    {
        _plan = ImmutableDictionary<string, ImmutableArray<HandOver>>.Empty;
        _plannedAt = now;
    }
}
