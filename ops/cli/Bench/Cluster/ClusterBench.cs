using System.Diagnostics;
using Loire.Cli.Cluster;
using Loire.Cli.Http;
using Loire.Engine.Models;

namespace Loire.Cli.Bench;

/// <summary>A cluster of processes on this machine, measured over HTTP: how fast it is with one, two and three silos, and what moves and losses cost a stream.</summary>
/// <param name="model">What it serves.</param>
/// <param name="folder">Where the clusters are.</param>
/// <param name="port">The first of some forty.</param>
/// <param name="runs">Of each measurement.</param>
/// <param name="kills">Silos killed with each kind of leases.</param>
/// <param name="cancellationToken">Ends it; the cluster is stopped.</param>
internal sealed class ClusterBench(ModelFolder model, string folder, int port, int runs, int kills, CancellationToken cancellationToken)
{
    private const int Streams = 16;
    private const int StreamTokens = 200;
    private const int ShortHistory = 100;
    private const int LongHistory = 8_000;
    private const int MovingTokens = 400;
    private const int LosingTokens = 2_000;

    private readonly PromptSource _prompts = new(model);

    /// <summary>Only what moves cost.</summary>
    public async Task<IReadOnlyList<Measurement>> RunMovesAsync()
    {
        List<Measurement> measurements = [];
        await OnClusterAsync(2, fast: false, async (_, client) =>
        {
            measurements.AddRange(await MovesAsync(client, ShortHistory));
            measurements.AddRange(await MovesAsync(client, LongHistory));
        });
        return measurements;
    }

    /// <summary>Only what the loss of a silo costs a stream.</summary>
    public async Task<IReadOnlyList<Measurement>> RunLossesAsync(bool fast)
    {
        IReadOnlyList<Measurement> measurements = [];
        await OnClusterAsync(2, fast, async (cluster, client) => measurements = await LossesAsync(cluster, client, fast));
        return measurements;
    }

    public async Task<IReadOnlyList<Measurement>> RunAsync(IProgress<double> progress)
    {
        List<Measurement> measurements = [];
        for (var silos = 1; silos <= 3; silos++)
        {
            await OnClusterAsync(silos, fast: false, async (cluster, client) =>
            {
                measurements.Add(await ThroughputAsync(client, silos));
                if (silos == 2)
                {
                    measurements.AddRange(await MovesAsync(client, ShortHistory));
                    measurements.AddRange(await MovesAsync(client, LongHistory));
                    measurements.AddRange(await LossesAsync(cluster, client, fast: false));
                }
            });
            progress.Report(silos / 4.0);
        }

        measurements.AddRange(await RunLossesAsync(fast: true));
        return measurements;
    }

    private async Task OnClusterAsync(int silos, bool fast, Func<LocalCluster, ServerClient, Task> measure)
    {
        var settings = new LocalSettings
        {
            Port = port, SiloPort = port + 10, RedisPort = port + 30, Model = model.Path, Threads = Math.Max(1, Environment.ProcessorCount / silos), Fast = fast,
        };
        var cluster = await ClusterCommand.UpAsync(Path.Combine(folder, $"{silos}{(fast ? "-fast" : "")}"), settings, silos, gateways: 1, cancellationToken);
        try
        {
            using var client = new ServerClient(cluster.Gateway);
            await AllAsync(client, "warm", 8); // so that what is measured is not the compiler
            await measure(cluster, client);
        }
        finally
        {
            await ClusterCommand.DownAsync(cluster, CancellationToken.None);
        }
    }

    private async Task<Measurement> ThroughputAsync(ServerClient client, int silos)
    {
        var samples = new double[runs];
        for (var run = 0; run < runs; run++)
        {
            var start = Stopwatch.GetTimestamp();
            await AllAsync(client, $"all-{run}", StreamTokens);
            samples[run] = Streams * StreamTokens / Stopwatch.GetElapsedTime(start).TotalSeconds;
        }

        return new Measurement { Name = $"{Streams} streams over {silos} silo{(silos > 1 ? "s" : "")}, all on these cores", Unit = "tokens/s", Samples = samples };
    }

    private Task AllAsync(ServerClient client, string name, int tokens) => Task.WhenAll(Enumerable.Range(0, Streams).Select(async stream =>
    {
        await foreach (var _ in client.StreamAsync(Request($"{name}-{stream}", "Hello, who are you?", tokens), cancellationToken))
        {
            // Reading it is all.
        }
    }));

    private const int WarmMoves = 6;

    private async Task<IReadOnlyList<Measurement>> MovesAsync(ServerClient client, int history)
    {
        var session = $"moving-{history}";
        await client.ChatAsync(Request(session, _prompts.TextOf(history), 2) with { IgnoreEnd = false, Stream = false }, cancellationToken);
        for (var warm = 0; warm < WarmMoves; warm++)
        {
            await client.MoveAsync(session, null, cancellationToken); // so that what is measured is not the compiler, on either silo
            await client.ChatAsync(Request(session, "Go on.", 2) with { Stream = false }, cancellationToken);
            await client.RewindAsync(session, 1, cancellationToken);
        }

        var (idle, running, excess, linked) = (new double[runs], new double[runs], new double[runs], new double[runs]);
        for (var run = 0; run < runs; run++)
        {
            await client.ChatAsync(Request(session, "Go on.", 2) with { Stream = false }, cancellationToken); // so that the state is on the device
            var view = await client.SessionAsync(session, cancellationToken);
            var start = Stopwatch.GetTimestamp();
            var move = await client.MoveAsync(session, null, cancellationToken);
            idle[run] = Stopwatch.GetElapsedTime(start).TotalMilliseconds;
            excess[run] = move.GetProperty("bytes").GetInt64() + move.GetProperty("shared_bytes").GetInt64() - view.GetProperty("state_bytes").GetInt64();
            running[run] = await PauseAsync(client, session, MovingTokens, async () => move = await client.MoveAsync(session, null, cancellationToken));
            linked[run] = move.GetProperty("via").GetString() == "link" ? 100 : 0;
            await client.RewindAsync(session, 2, cancellationToken);
        }

        return
        [
            new() { Name = $"move of an idle session, {history:N0} tokens", Unit = "ms", Samples = idle, Target = 20, LowerIsBetter = true },
            new() { Name = $"bytes moved beyond state and pages, {history:N0} tokens", Unit = "B", Samples = excess, Target = 0, LowerIsBetter = true },
            new() { Name = $"pause of a stream that is moved, {history:N0} tokens", Unit = "ms", Samples = running, Target = 100, LowerIsBetter = true },
            new() { Name = $"streams whose state went from silo to silo, {history:N0} tokens", Unit = "%", Samples = linked },
        ];
    }

    private async Task<IReadOnlyList<Measurement>> LossesAsync(LocalCluster cluster, ServerClient client, bool fast)
    {
        var (leases, target) = fast ? ("fast leases", 1_000) : ("default leases", 5_000);
        var samples = new double[kills];
        for (var kill = 0; kill < kills; kill++)
        {
            samples[kill] = await PauseAsync(client, $"lost-{kill}", LosingTokens, async () =>
            {
                var view = await client.ClusterAsync(cancellationToken);
                var busy = view.GetProperty("silos").EnumerateArray().First(silo => silo.GetProperty("running_turns").GetInt32() > 0).GetProperty("name").GetString()!;
                cluster.Find(busy).Signal(Signal.Kill);
            });
            cluster.StartSilo(cluster.Silos.First(silo => !silo.IsAlive).Name);
            await ClusterStatus.WaitAsync(cluster, cluster.Silos.Count(), TimeSpan.FromMinutes(1), cancellationToken);
        }

        return
        [
            new() { Name = $"pause of a stream whose silo is killed, {leases}", Unit = "ms", Samples = samples, Target = target, LowerIsBetter = true },
            new() { Name = $"the longest of those {kills}, {leases}", Unit = "ms", Samples = [samples.Max()], Target = target, LowerIsBetter = true },
        ];
    }

    /// <summary>Longest time between two pieces of a stream in whose middle something happens, in ms.</summary>
    private async Task<double> PauseAsync(ServerClient client, string session, int tokens, Func<Task> happens)
    {
        var (pieces, longest) = (0, 0.0);
        long last = 0;
        var happening = Task.CompletedTask;
        await foreach (var piece in client.StreamAsync(Request(session, "Tell me more.", tokens), cancellationToken))
        {
            var now = Stopwatch.GetTimestamp();
            longest = last == 0 ? 0 : Math.Max(longest, Stopwatch.GetElapsedTime(last, now).TotalMilliseconds);
            last = piece.Text.Length > 0 ? now : last;
            if (++pieces == 20)
            {
                happening = happens();
            }
        }

        await happening;
        return longest;
    }

    private static ChatRequest Request(string session, string text, int tokens) => new()
    {
        SessionId = session, Messages = [Message.User(text)], MaxTokens = tokens, IgnoreEnd = true, Stream = true,
    };
}
