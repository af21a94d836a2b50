using System.Diagnostics;
using Loire.Cli.Cluster;
using Loire.Cli.Http;
using Loire.Cli.Terminal;

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
        Func<Task>[] faults = [KillAsync, KillGatewayAsync, FreezeAsync, FillRedisAsync, DrainAsync, SlowRedisAsync, AddAsync, RestartRedisAsync, MoveAsync, MoveAsync];
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

    /// <summary>Its streams break off: its clients go to another one, with the ids of their turns.</summary>
    private async Task KillGatewayAsync()
    {
        LocalProcess[] gateways = [.. cluster.Gateways];
        var gateway = gateways[_random.Next(gateways.Length)];
        Count("gateways killed");
        gateway.Signal(Signal.Kill);
        await gateway.EndedAsync(Patience, CancellationToken.None);
        await Task.Delay(TimeSpan.FromMilliseconds(_random.Next(0, 2000)), CancellationToken.None);
        cluster.StartGateway(gateway.Name);
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
            throw new CommandFailedException($"{silo.Name} was frozen for longer than its lease, and did not end when it was thawed. The logs are in {cluster.Folder}.");
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
            throw new CommandFailedException($"{silo.Name} was told to stop, and has not within {Patience.TotalSeconds:0} s. The logs are in {cluster.Folder}.");
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

    /// <summary>Turns go on, and what is to be stored waits for room.</summary>
    private async Task FillRedisAsync()
    {
        Count("times that Redis was full");
        using var redis = await LocalRedis.ConnectAsync(cluster);
        await redis.FillAsync();
        await Task.Delay(TimeSpan.FromMilliseconds(_random.Next(1000, 4000)), CancellationToken.None);
        await redis.MakeRoomAsync();
    }

    /// <summary>It stands still again and again, for a little less than would cost a silo its lease.</summary>
    private async Task SlowRedisAsync()
    {
        Count("times that Redis was slow");
        using var redis = await LocalRedis.ConnectAsync(cluster);
        for (var i = 0; i < 4; i++)
        {
            var pause = TimeSpan.FromMilliseconds(_random.Next(300, 1200));
            await redis.PauseAsync(pause);
            await Task.Delay(pause + TimeSpan.FromMilliseconds(300), CancellationToken.None);
        }
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

    /// <summary>Waits until all silos serve that should, as every gateway sees it. A silo that has ended by itself, because it could not renew its lease in time, is started again, as a supervisor would.</summary>
    private async Task WholeAsync()
    {
        var waited = Stopwatch.StartNew();
        foreach (var gateway in cluster.Gateways.ToArray())
        {
            using var client = new ServerClient(new Uri($"http://localhost:{gateway.Port}"));
            while (await ClusterStatus.ServingAsync(client, CancellationToken.None) < _wanted.Count)
            {
                StartEnded();
                if (waited.Elapsed > Patience)
                {
                    throw new CommandFailedException($"After {Patience.TotalSeconds:0} s fewer than {_wanted.Count} silos serve by what {gateway.Name} says. The logs are in {cluster.Folder}.");
                }

                await Task.Delay(50);
            }
        }
    }

    private void StartEnded()
    {
        foreach (var ended in cluster.Silos.Where(silo => _wanted.Contains(silo.Name) && !silo.IsAlive).ToArray())
        {
            Count("silos that ended by themselves");
            Start(ended.Name);
        }
    }

    private LocalProcess AnySilo()
    {
        LocalProcess[] alive = [.. cluster.Silos.Where(silo => silo.IsAlive)];
        return alive[_random.Next(alive.Length)];
    }

    private void Count(string fault) => _counts[fault] = _counts.GetValueOrDefault(fault) + 1;
}
