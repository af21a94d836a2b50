using System.Text.Json;
using Loire.Cli.Cluster;
using Loire.Cli.Http;
using Loire.Store;
using Loire.Store.Redis;
using Microsoft.Extensions.Logging.Abstractions;

namespace Loire.Cli.Chaos;

/// <summary>When the storm is over: what is there, what is not, and what is left that should not be.</summary>
internal sealed class ChaosAudit(LocalCluster cluster, ServerClient client)
{
    private static readonly StateOwner Owner = new("local");

    /// <summary>Compares every session's turns with those that were acknowledged.</summary>
    public async Task<(int Lost, int Repeated)> TurnsAsync(IReadOnlyDictionary<string, List<string>> acknowledged, CancellationToken cancellationToken)
    {
        var (lost, repeated) = (0, 0);
        foreach (var (session, turns) in acknowledged.Where(pair => pair.Value.Count > 0))
        {
            var held = (await client.SessionAsync(session, cancellationToken)).GetProperty("turns").EnumerateArray().Select(turn => turn.GetProperty("turn_id").GetString()!).ToArray();
            lost += turns.Except(held).Count();
            repeated += held.Length - held.Distinct().Count();
        }

        return (lost, repeated);
    }

    /// <summary>Tries, for each session, what a silo would do that does not know that the session went on elsewhere.</summary>
    /// <returns>How many commits were tried, and how many the store let through.</returns>
    public async Task<(int Tried, int Committed)> StaleCommitsAsync(IEnumerable<string> sessions, CancellationToken cancellationToken)
    {
        await using var store = OpenStore(TimeSpan.FromHours(24));
        var (tried, committed) = (0, 0);
        foreach (var session in sessions)
        {
            if (await store.GetSessionAsync(Owner, session, cancellationToken) is { Epoch: > 1 } reference)
            {
                tried++;
                var stale = (reference with { Epoch = reference.Epoch - 1 }).MoveTo(reference.Head, reference.UpdatedAt);
                committed += await store.TrySwapSessionAsync(stale, reference.Epoch - 1, cancellationToken) ? 1 : 0;
            }
        }

        return (tried, committed);
    }

    /// <summary>Lets go of every session's state, and counts what is in use all the same.</summary>
    public async Task<int> LeaksAsync(IEnumerable<string> sessions, CancellationToken cancellationToken)
    {
        foreach (var session in sessions)
        {
            await client.DeleteAsync(session, cancellationToken);
        }

        // A silo that a session has left may still have its state, for as long as nobody needs the place.
        foreach (var silo in (await client.ClusterAsync(cancellationToken)).GetProperty("silos").EnumerateArray())
        {
            await client.HibernateSiloAsync(silo.GetProperty("name").GetString()!, cancellationToken);
        }

        var view = await client.ClusterAsync(cancellationToken);
        return view.GetProperty("silos").EnumerateArray().Sum(silo => silo.GetProperty("running_turns").GetInt32() + silo.GetProperty("replicas").EnumerateArray().Sum(InUse));
    }

    /// <summary>After all sessions are gone and everything has outlived its time, the store holds nothing.</summary>
    public async Task<long> UnreachableAsync(CancellationToken cancellationToken)
    {
        await using var store = OpenStore(TimeSpan.Zero);
        await store.SweepAsync(cancellationToken);
        await store.SweepAsync(cancellationToken);
        var usage = store.Usage;
        return usage.Blobs + usage.Checkpoints + usage.Turns + usage.Sessions;
    }

    private static int InUse(JsonElement replica) =>
        replica.GetProperty("slots_in_use").GetInt32() + replica.GetProperty("pages_in_use").GetInt32() + replica.GetProperty("running").GetInt32() + replica.GetProperty("waiting").GetInt32();

    private RedisStore OpenStore(TimeSpan timeToLive) => new(
        new RedisStoreOptions { Connection = cluster.Settings.Redis, Cluster = cluster.Settings.Name, TimeToLive = timeToLive }, TimeProvider.System, NullLogger<RedisStore>.Instance);
}
