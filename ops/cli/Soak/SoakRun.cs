using System.Diagnostics;
using Loire.Cli.Cluster;
using Loire.Cli.Http;
using StackExchange.Redis;

namespace Loire.Cli.Soak;

/// <summary>Sessions that come, idle, hibernate, return, move and go, while it is watched whether anything grows that should not.</summary>
/// <remarks>
/// Stationary by construction: each client has so many sessions and no more, one that goes is followed at once by a new one, and
/// clients act at fixed times, however long an act takes. One that is late, because the machine is busy, leaves the act out.
/// </remarks>
internal sealed class SoakRun(LocalCluster cluster, int clients, int seed)
{
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(5);

    private readonly List<string> _last = [];
    private int _turns;
    private int _sessions;
    private int _refused;

    public int Turns => _turns;

    public int Sessions => _sessions;

    public int Refused => _refused;

    /// <summary>The sessions that were there at the end.</summary>
    public IReadOnlyList<string> Last => _last;

    public async Task<IReadOnlyList<SoakSample>> RunAsync(TimeSpan duration, IProgress<double> progress, CancellationToken cancellationToken)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var talking = Task.WhenAll(Enumerable.Range(0, clients).Select(number => Task.Run(() => LiveAsync(number, stop.Token), CancellationToken.None)));
        using var redis = await ConnectionMultiplexer.ConnectAsync(cluster.Settings.Redis, options => options.AllowAdmin = true);
        using var http = new HttpClient();
        var samples = new List<SoakSample>();
        var (before, turnsBefore) = (0.0, 0);
        for (var watch = Stopwatch.StartNew(); watch.Elapsed < duration && !talking.IsCompleted; await Task.Delay(Interval, cancellationToken))
        {
            var (now, turns) = (watch.Elapsed.TotalSeconds, _turns);
            samples.Add(await SoakSample.TakeAsync(cluster, redis.GetDatabase(), http, now, now > before ? (turns - turnsBefore) / (now - before) : 0));
            (before, turnsBefore) = (now, turns);
            progress.Report(watch.Elapsed / duration);
        }

        await stop.CancelAsync();
        await talking;
        return samples;
    }

    private async Task LiveAsync(int number, CancellationToken stop)
    {
        using var client = new ServerClient(cluster.Gateway);
        var sessions = new SoakSessions(number, clients, seed);
        using var beats = new PeriodicTimer(SoakSessions.Beat);
        while (await NextAsync(beats, stop))
        {
            var session = sessions.Next();
            await TriedAsync(() => client.ChatAsync(Say(session.Name, session.Text), CancellationToken.None));
            Interlocked.Increment(ref _turns);
            await ActAsync(client, session);
            if (session.IsLast)
            {
                await TriedAsync(() => client.DeleteAsync(session.Name, CancellationToken.None));
                Interlocked.Increment(ref _sessions);
            }
        }

        lock (_last)
        {
            _last.AddRange(sessions.Names);
        }
    }

    private Task ActAsync(ServerClient client, SoakTurn session) => session.Then switch
    {
        SoakAct.Hibernate => TriedAsync(() => client.HibernateAsync(session.Name, CancellationToken.None)),
        SoakAct.Move => TriedAsync(() => client.MoveAsync(session.Name, null, CancellationToken.None)),
        SoakAct.Fork => TriedAsync(
            () => client.ForkAsync(session.Name, session.Fork, CancellationToken.None),
            () => client.DeleteAsync(session.Fork, CancellationToken.None)),
        SoakAct.AskWithoutSession => TriedAsync(() => client.ChatAsync(Say(null, session.Text), CancellationToken.None)),
        _ => Task.CompletedTask,
    };

    private static ChatRequest Say(string? session, string text) => new() { SessionId = session, Messages = [Message.User(text)], MaxTokens = 48 };

    private static async Task<bool> NextAsync(PeriodicTimer beats, CancellationToken stop)
    {
        try
        {
            return await beats.WaitForNextTickAsync(stop);
        }
        catch (OperationCanceledException)
        {
            return false;
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
