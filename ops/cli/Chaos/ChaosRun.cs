using System.Diagnostics;
using Loire.Cli.Cluster;
using Loire.Cli.Http;
using Loire.Cli.Recall;
using Loire.Cli.Serve;

namespace Loire.Cli.Chaos;

/// <param name="Seconds">Of faults.</param>
/// <param name="Seed">Of their order.</param>
/// <param name="Conversations">At once.</param>
/// <param name="Silos">At the start.</param>
/// <param name="Fast">Short leases.</param>
/// <param name="Port">First port of the gateways; silos and Redis take ports after them.</param>
internal sealed record ChaosSettings(int Seconds, int Seed, int Conversations, int Silos, bool Fast, int Port);

/// <summary>Conversations on a cluster that is being broken, and the proof that they did not notice.</summary>
/// <remarks>1. The same conversations, undisturbed. 2. A cluster. 3. Conversations and faults together. 4. The audit.</remarks>
internal static class ChaosRun
{
    private const int Gateways = 2;

    public static async Task<ChaosReport> RunAsync(
        string model, string folder, IReadOnlyList<RecallConversation> conversations, ChaosSettings settings, IProgress<double> progress, CancellationToken cancellationToken)
    {
        var scripts = ChaosScript.Of(conversations, settings.Conversations);
        var expected = await UndisturbedAsync(model, scripts, cancellationToken);
        progress.Report(0.1);
        var local = new LocalSettings
        {
            Port = settings.Port,
            SiloPort = settings.Port + 10,
            OpsPort = settings.Port + 20,
            RedisPort = settings.Port + 30,
            Model = model,
            Threads = Math.Max(1, Environment.ProcessorCount / settings.Silos),
            Fast = settings.Fast,
        };
        var cluster = await ClusterCommand.UpAsync(folder, local, settings.Silos, Gateways, cancellationToken);
        try
        {
            return await RunAsync(cluster, scripts, expected, settings, progress, cancellationToken);
        }
        finally
        {
            await ClusterCommand.DownAsync(cluster, CancellationToken.None);
        }
    }

    private static async Task<ChaosReport> RunAsync(
        LocalCluster cluster, IReadOnlyList<ChaosScript> scripts, IReadOnlyList<string[]> expected, ChaosSettings settings, IProgress<double> progress, CancellationToken cancellationToken)
    {
        ServerClient[] gateways = [.. cluster.Gateways.Select(gateway => new ServerClient(new Uri($"http://localhost:{gateway.Port}")))];
        try
        {
            var client = new ChaosClient(gateways, expected);
            var random = new Random(settings.Seed + 1);
            var faults = new ChaosFaults(cluster, settings.Seed, () => client.Acknowledged.Keys.ToArray() is { Length: > 0 } sessions ? sessions[random.Next(sessions.Length)] : null);
            var started = Stopwatch.StartNew();
            using var storm = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            storm.CancelAfter(TimeSpan.FromSeconds(settings.Seconds));
            using var talk = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            var talking = Task.WhenAll(scripts.Select(script => Task.Run(() => client.RunAsync(script, talk.Token), CancellationToken.None)));
            await faults.RunAsync(storm.Token);
            progress.Report(0.8);
            await talk.CancelAsync();
            await talking;
            cancellationToken.ThrowIfCancellationRequested();

            var audit = new ChaosAudit(cluster, gateways[0]);
            string[] sessions = [.. client.Acknowledged.Where(pair => pair.Value.Count > 0).Select(pair => pair.Key)];
            var (lost, repeated) = await audit.TurnsAsync(client.Acknowledged, cancellationToken);
            var (tried, committed) = await audit.StaleCommitsAsync(sessions, cancellationToken);
            var leaked = await audit.LeaksAsync(sessions, cancellationToken);
            return new ChaosReport
            {
                Seconds = started.Elapsed.TotalSeconds,
                Seed = settings.Seed,
                Faults = faults.Counts,
                Acknowledged = client.Turns,
                Tokens = client.Tokens,
                AskedAgain = client.AskedAgain,
                Lost = lost,
                Repeated = repeated,
                Different = client.Different,
                StaleTried = tried,
                StaleCommitted = committed,
                Leaked = leaked,
                Unreachable = await audit.UnreachableAsync(cancellationToken),
                Pauses = Percentiles.Of(client.Pauses),
                Notes = [.. client.Notes],
            };
        }
        finally
        {
            Array.ForEach(gateways, gateway => gateway.Dispose());
        }
    }

    /// <summary>What each conversation says when nothing happens: on one server, over the same API.</summary>
    private static async Task<IReadOnlyList<string[]>> UndisturbedAsync(string model, IReadOnlyList<ChaosScript> scripts, CancellationToken cancellationToken)
    {
        await using var server = await TemporaryServer.StartAsync(model, stages: 1, shards: 1, cancellationToken);
        using var client = new ServerClient(server.Address);
        return await Task.WhenAll(scripts.Select(async script =>
        {
            var answers = new string[script.Turns.Count];
            for (var turn = 0; turn < answers.Length; turn++)
            {
                await foreach (var piece in client.StreamAsync(script.Turns[turn].Request($"calm-{script.Number}", $"t{turn}"), cancellationToken))
                {
                    answers[turn] += piece.Text;
                }
            }

            return answers;
        }));
    }
}
