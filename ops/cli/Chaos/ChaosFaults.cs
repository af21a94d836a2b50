using System.Diagnostics;
using Loire.Cli.Cluster;
using Loire.Cli.Http;

namespace Loire.Cli.Chaos;

/// <summary>Does to a cluster, in a random order with a fixed seed, what happens to clusters.</summary>
/// <remarks>At least one silo is left whole at any time, and every fault ends with the cluster whole again.</remarks>
internal sealed class ChaosFaults(LocalCluster cluster, int seed, Func<string?> anySession)
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);

    private readonly Random _random = new(seed);
    private readonly Dictionary<string, int> _counts = [];
    private readonly HashSet<string> _wanted = [.. cluster.Silos.Select(silo => silo.Name)];

    public IReadOnlyDictionary<string, int> Counts => _counts;

    /// <summary>Until it is told to stop, and then until the cluster is whole.</summary>
    public async Task RunAsync(CancellationToken stop)
    {
        Func<Task>[] faults = [KillAsync, FreezeAsync, DrainAsync, AddAsync, RestartRedisAsync, MoveAsync, MoveAsync];
        for (var next = 0; !stop.IsCancellationRequested; next++)
        {
            // Each once, then at random, so that a short run has all of them.
            await (next < faults.Length ? faults[next] : faults[_random.Next(faults.Length)])();
            await WholeAsync();
            await Task.Delay(TimeSpan.FromMilliseconds(_random.Next(300, 1500)), CancellationToken.None);
        }
    }

    private async Task KillAsync()
    {
        var silo = AnySilo();
        Count("silos killed");
        silo.Signal(Signal.Kill);
        await silo.EndedAsync(Patience, CancellationToken.None);
        await Task.Delay(TimeSpan.FromMilliseconds(_random.Next(0, 3000)), CancellationToken.None);
        Start(silo.Name);
    }

    /// <summary>For longer than its lease: it finds itself replaced, and ends by itself.</summary>
    private async Task FreezeAsync()
    {
        var silo = AnySilo();
        Count("silos frozen");
        silo.Signal(Signal.Stop);
        await Task.Delay(TimeSpan.FromSeconds(5), CancellationToken.None);
        silo.Signal(Signal.Continue);
        if (!await silo.EndedAsync(Patience, CancellationToken.None))
        {
            throw new InvalidOperationException($"{silo.Name} was frozen for longer than its lease, and did not end when it was thawed.");
        }

        Start(silo.Name);
    }

    private async Task DrainAsync()
    {
        var silo = AnySilo();
        Count("silos drained");
        silo.Signal(Signal.Terminate);
        if (!await silo.EndedAsync(Patience, CancellationToken.None))
        {
            throw new InvalidOperationException($"{silo.Name} was told to stop, and has not within {Patience.TotalSeconds:0} s.");
        }

        Start(silo.Name);
    }

    /// <summary>One more silo, up to four; then the last is drained for good.</summary>
    private async Task AddAsync()
    {
        var last = cluster.Silos.Where(silo => silo.IsAlive).ToArray() is { Length: > 3 } many ? many[^1] : null;
        if (last is not null)
        {
            Count("silos removed");
            _wanted.Remove(last.Name);
            last.Signal(Signal.Terminate);
            await last.EndedAsync(Patience, CancellationToken.None);
            return;
        }

        Count("silos added");
        Start(cluster.Silos.FirstOrDefault(silo => !silo.IsAlive)?.Name ?? cluster.NextName(ProcessKind.Silo));
    }

    private async Task RestartRedisAsync()
    {
        Count("Redis restarts");
        var redis = cluster.Redis;
        redis.Signal(Signal.Kill);
        await redis.EndedAsync(Patience, CancellationToken.None);
        cluster.StartRedis();
    }

    private async Task MoveAsync()
    {
        for (var i = 0; i < 4; i++)
        {
            if (anySession() is { } session)
            {
                try
                {
                    using var client = new ServerClient(cluster.Gateway);
                    await client.MoveAsync(session, null, CancellationToken.None);
                    Count("sessions moved");
                }
                catch (Exception refused) when (refused is ApiException or HttpRequestException)
                {
                    Count("moves refused"); // its silo has just been lost, say
                }
            }
        }
    }

    private void Start(string name)
    {
        _wanted.Add(name);
        cluster.StartSilo(name);
    }

    /// <summary>Waits until all silos serve that should. One that has ended by itself, because it could not renew its lease in time, is started again, as a supervisor would.</summary>
    private async Task WholeAsync()
    {
        using var client = new ServerClient(cluster.Gateway);
        for (var waited = Stopwatch.StartNew(); await ClusterStatus.ServingAsync(client, CancellationToken.None) < _wanted.Count; await Task.Delay(50))
        {
            foreach (var ended in cluster.Silos.Where(silo => _wanted.Contains(silo.Name) && !silo.IsAlive).ToArray())
            {
                Count("silos that ended by themselves");
                Start(ended.Name);
            }

            if (waited.Elapsed > Patience)
            {
                throw new InvalidOperationException($"After {Patience.TotalSeconds:0} s fewer than {_wanted.Count} silos serve. The logs are in {cluster.Folder}.");
            }
        }
    }

    private LocalProcess AnySilo()
    {
        LocalProcess[] alive = [.. cluster.Silos.Where(silo => silo.IsAlive)];
        return alive[_random.Next(alive.Length)];
    }

    private void Count(string fault) => _counts[fault] = _counts.GetValueOrDefault(fault) + 1;
}
