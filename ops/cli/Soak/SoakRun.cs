using System.Diagnostics;
using Loire.Cli.Cluster;
using Loire.Cli.Http;
using StackExchange.Redis;

namespace Loire.Cli.Soak;

/// <summary>Sessions that come, idle, hibernate, return, move and go, while it is watched whether anything grows that should not.</summary>
internal sealed class SoakRun(LocalCluster cluster, int clients, int seed)
{
    private const int MostTurns = 6;
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(10);

    private int _turns;
    private int _sessions;
    private int _refused;

    public int Turns => _turns;

    public int Sessions => _sessions;

    public int Refused => _refused;

    public async Task<IReadOnlyList<SoakSample>> RunAsync(TimeSpan duration, IProgress<double> progress, CancellationToken cancellationToken)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var talking = Task.WhenAll(Enumerable.Range(0, clients).Select(number => Task.Run(() => LiveAsync(number, stop.Token), CancellationToken.None)));
        using var redis = await ConnectionMultiplexer.ConnectAsync(cluster.Settings.Redis, options => options.AllowAdmin = true);
        var samples = new List<SoakSample>();
        for (var watch = Stopwatch.StartNew(); watch.Elapsed < duration; await Task.Delay(Interval, cancellationToken))
        {
            samples.Add(await SoakSample.TakeAsync(cluster, redis.GetDatabase(), watch.Elapsed.TotalSeconds));
            progress.Report(watch.Elapsed / duration);
        }

        await stop.CancelAsync();
        await talking;
        return samples;
    }

    /// <summary>One client: a session after the other, each with a few turns, pauses and what else happens to sessions; then it is deleted.</summary>
    private async Task LiveAsync(int number, CancellationToken stop)
    {
        var random = new Random((seed * 1000) + number);
        using var client = new ServerClient(cluster.Gateway);
        for (var life = 0; !stop.IsCancellationRequested; life++)
        {
            var session = $"soak-{number}-{life}";
            Interlocked.Increment(ref _sessions);
            for (var turn = random.Next(1, MostTurns); turn > 0 && !stop.IsCancellationRequested; turn--)
            {
                await TriedAsync(() => client.ChatAsync(
                    new ChatRequest { SessionId = session, Messages = [Message.User($"My number is {random.Next(1000)}.")], MaxTokens = 48 }, CancellationToken.None));
                Interlocked.Increment(ref _turns);
                await (random.Next(4) switch
                {
                    0 => TriedAsync(() => client.HibernateAsync(session, CancellationToken.None)),
                    1 => TriedAsync(() => client.MoveAsync(session, null, CancellationToken.None)),
                    2 => TriedAsync(() => client.ForkAsync(session, $"{session}-fork-{turn}", CancellationToken.None), () => client.DeleteAsync($"{session}-fork-{turn}", CancellationToken.None)),
                    _ => Task.CompletedTask,
                });
                await Task.Delay(random.Next(20, 400), CancellationToken.None);
            }

            await TriedAsync(() => client.DeleteAsync(session, CancellationToken.None));
        }
    }

    private async Task TriedAsync(params Func<Task>[] acts)
    {
        foreach (var act in acts)
        {
            try
            {
                await act();
            }
            catch (Exception refused) when (refused is ApiException or HttpRequestException)
            {
                Interlocked.Increment(ref _refused);
            }
        }
    }
}
