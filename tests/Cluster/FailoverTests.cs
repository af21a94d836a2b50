using System.Text;
using Loire.Cli.Cluster;
using Loire.Cluster.Tests.Running;

namespace Loire.Cluster.Tests;

/// <summary>Each thing that can happen to a turn while it streams, alone: the client sees the same text.</summary>
public sealed class FailoverTests
{
    private const int LongAnswer = 600;
    private const int Middle = 300;
    private const string Question = "Hello, who are you?";

    [RedisFact]
    public async Task A_stream_survives_the_loss_of_its_silo_a_drain_a_move_a_slow_Redis_and_its_restart()
    {
        await using var cluster = await RunningCluster.StartAsync(silos: 2);
        var undisturbed = await cluster.SayAsync("calm", Question, LongAnswer, isLong: true);

        var redis = await cluster.SayAsync("redis", Question, LongAnswer, isLong: true, Middle, () => RestartRedisAsync(cluster));
        var slow = await cluster.SayAsync("slow", Question, LongAnswer, isLong: true, Middle, () => SlowRedisAsync(cluster));
        var moved = await cluster.SayAsync("moved", Question, LongAnswer, isLong: true, Middle, () => cluster.Second.MoveAsync("moved", null, CancellationToken.None));
        var killed = await cluster.SayAsync("killed", Question, LongAnswer, isLong: true, Middle, () => EndAsync(cluster, Signal.Kill));
        await cluster.WaitForAsync(2);
        var drained = await cluster.SayAsync("drained", Question, LongAnswer, isLong: true, Middle, () => EndAsync(cluster, Signal.Terminate));

        Assert.Equal(undisturbed, redis);
        Assert.Equal(undisturbed, slow);
        Assert.Equal(undisturbed, moved);
        Assert.Equal(undisturbed, killed);
        Assert.Equal(undisturbed, drained);
        Assert.Equal("Your sister Greta lives in Lima.", await RememberAsync(cluster));
    }

    [RedisFact]
    public async Task A_turn_whose_gateway_is_killed_is_had_from_the_other_by_its_id()
    {
        await using var cluster = await RunningCluster.StartAsync(silos: 2);
        var undisturbed = await cluster.SayAsync("calm", Question, LongAnswer, isLong: true);
        var gateway = cluster.Processes.Find("gateway-1");
        var request = RunningCluster.Request("lost", Question, LongAnswer, isLong: true) with { TurnId = "t1" };

        var seen = new StringBuilder();
        await Assert.ThrowsAnyAsync<Exception>(async () =>
        {
            await foreach (var piece in cluster.First.StreamAsync(request, CancellationToken.None))
            {
                if (seen.Append(piece.Text).Length > Middle)
                {
                    gateway.Signal(Signal.Kill);
                }
            }
        });
        var joined = await RunningCluster.ReadAsync(cluster.Second, request);
        cluster.Processes.StartGateway(gateway.Name);
        await cluster.WaitForAsync(2);
        var replayed = await RunningCluster.ReadAsync(cluster.First, request);

        Assert.StartsWith(seen.ToString(), undisturbed, StringComparison.Ordinal);
        Assert.Equal(undisturbed, joined);
        Assert.Equal(undisturbed, replayed);
        Assert.Equal(1, (await cluster.Second.SessionAsync("lost", CancellationToken.None)).GetProperty("turns").GetArrayLength());
    }

    [RedisFact]
    public async Task Streams_survive_a_Redis_that_is_away_for_so_long_that_every_silo_ends()
    {
        const int Streams = 8; // together so slow that they are in their middle when the leases end
        const int Longer = 1_500;
        await using var cluster = await RunningCluster.StartAsync(silos: 2);
        var undisturbed = await cluster.SayAsync("calm", Question, Longer, isLong: true);

        var answers = await Task.WhenAll(Enumerable.Range(0, Streams).Select(stream => cluster.SayAsync(
            $"outage-{stream}", Question, Longer, isLong: true, Middle, stream == 0 ? () => LoseAllSilosAsync(cluster) : null)));

        Assert.All(answers, answer => Assert.Equal(undisturbed, answer));
    }

    [RedisFact]
    public async Task Sessions_are_there_again_after_the_whole_cluster_was_down()
    {
        await using var cluster = await RunningCluster.StartAsync(silos: 1);
        await cluster.SayAsync("kept", "My sister is called Greta. She lives in Lima.", 64);

        foreach (var process in cluster.Processes.Processes.Where(process => process.Kind != ProcessKind.Gateway).ToArray())
        {
            process.Signal(Signal.Kill);
            Assert.True(await process.EndedAsync(TimeSpan.FromMinutes(1), CancellationToken.None));
        }

        cluster.Processes.StartRedis();
        cluster.Processes.StartSilo("silo-1");
        await cluster.WaitForAsync(1);

        Assert.Equal("Your sister Greta lives in Lima.", await cluster.SayAsync("kept", "Where does my sister live?", 64));
    }

    private static async Task<string> RememberAsync(RunningCluster cluster)
    {
        await cluster.SayAsync("memory", "My sister is called Greta. She lives in Lima.", 64);
        await cluster.Second.MoveAsync("memory", null, CancellationToken.None);
        return await cluster.SayAsync("memory", "Where does my sister live?", 64);
    }

    private static async Task SlowRedisAsync(RunningCluster cluster)
    {
        using var redis = await LocalRedis.ConnectAsync(cluster.Processes);
        await redis.PauseAsync(TimeSpan.FromSeconds(1.2));
    }

    private static async Task LoseAllSilosAsync(RunningCluster cluster)
    {
        using var redis = await LocalRedis.ConnectAsync(cluster.Processes);
        await redis.PauseAsync(TimeSpan.FromSeconds(5));
        foreach (var silo in cluster.Processes.Silos.ToArray())
        {
            Assert.True(await silo.EndedAsync(TimeSpan.FromMinutes(1), CancellationToken.None), $"{silo.Name} has lost its lease and runs on.");
            cluster.Processes.StartSilo(silo.Name);
        }
    }

    private static async Task RestartRedisAsync(RunningCluster cluster)
    {
        var redis = cluster.Processes.Redis;
        redis.Signal(Signal.Kill);
        await redis.EndedAsync(TimeSpan.FromMinutes(1), CancellationToken.None);
        cluster.Processes.StartRedis();
    }

    private static async Task EndAsync(RunningCluster cluster, Signal signal)
    {
        var silo = cluster.Processes.Find(await cluster.BusySiloAsync());
        silo.Signal(signal);
        Assert.True(await silo.EndedAsync(TimeSpan.FromMinutes(1), CancellationToken.None));
        cluster.Processes.StartSilo(silo.Name);
    }
}
