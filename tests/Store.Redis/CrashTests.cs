using System.Collections.Concurrent;
using System.Diagnostics;
using Loire.Redis.Tests;
using Loire.Store.Redis;
using Xunit.Abstractions;
using static Loire.Store.Tests.Samples;

namespace Loire.Store.Tests;

/// <summary>Redis killed in the middle of everything: what was acknowledged is there, and no call outlives its bound.</summary>
public sealed class CrashTests(ITestOutputHelper output)
{
    private const int Writers = 4;
    private const int Kills = 6;

    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(2);

    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(3);

    private readonly FakeTime _time = new(step: TimeSpan.FromMilliseconds(1));
    private readonly ConcurrentDictionary<string, SessionReference> _acknowledged = new();
    private Metronome? _clock;
    private int _commits;
    private int _failed;
    private long _longestTicks;

    /// <summary>Time since the start, without what a busy machine withheld.</summary>
    private TimeSpan Given => _clock?.Given ?? throw new InvalidOperationException("The clock is started by the test.");

    [Theory]
    [InlineData("always", true)]
    [InlineData("everysec", false)]
    public async Task What_was_acknowledged_before_a_kill_is_there_after_it(string fsync, bool losesNothing)
    {
        await using var redis = await RedisProcess.StartAsync("--appendonly yes", $"--appendfsync {fsync}");
        await using var store = await SharedRedis.OpenAsync(
            new RedisStoreOptions { Connection = redis.Address, OperationTimeout = Timeout, TimeToLive = TimeSpan.FromHours(1), KeepCheckpoints = 2 }, _time);
        await using var clock = new Metronome();
        _clock = clock;
        using var done = new CancellationTokenSource();
        var writers = Enumerable.Range(0, Writers).Select(writer => Task.Run(() => WriteAsync(store, writer, losesNothing, done.Token))).ToList();
        for (var kill = 0; kill < Kills; kill++)
        {
            var until = Volatile.Read(ref _commits) + 40;
            var start = Stopwatch.GetTimestamp();
            while (Volatile.Read(ref _commits) < until)
            {
                Assert.True(Stopwatch.GetElapsedTime(start) < TimeSpan.FromSeconds(60), $"After kill {kill} only {_commits} of {until} commits came through in 60 s; {_failed} calls failed.");
                Assert.All(writers, writer => Assert.False(writer.IsFaulted, writer.Exception?.ToString()));
                await Task.Delay(5);
            }

            await redis.KillAsync();
            await redis.StartAgainAsync();
        }

        await done.CancelAsync();
        await Task.WhenAll(writers);
        output.WriteLine($"{fsync}: {_commits} commits, {_failed} calls refused, longest call {TimeSpan.FromTicks(_longestTicks).TotalMilliseconds:F0} ms.");
        if (losesNothing)
        {
            foreach (var (id, session) in _acknowledged)
            {
                var found = await store.GetSessionAsync(Alice, id, CancellationToken.None);
                Assert.True(found?.Epoch >= session.Epoch, $"{id} is at epoch {found?.Epoch}; {session.Epoch} was acknowledged.");
                Assert.Equal(found?.Title, $"{(await store.ReadHistoryAsync(found?.Head)).Turns.Count} turns");
            }
        }

        Assert.Empty((await store.SweepAsync()).Damaged);
    }

    private async Task WriteAsync(RedisStore store, int writer, bool losesNothing, CancellationToken done)
    {
        var random = new Random(writer);
        var id = $"writer {writer}";
        while (!done.IsCancellationRequested)
        {
            var start = Given;
            try
            {
                var session = await store.GetSessionAsync(Alice, id, CancellationToken.None);
                CheckBound(ref start);
                if (losesNothing && _acknowledged.TryGetValue(id, out var acknowledged))
                {
                    Assert.True(session?.Epoch >= acknowledged.Epoch, $"{id} is at epoch {session?.Epoch}; {acknowledged.Epoch} was acknowledged.");
                }

                await CommitAsync(store, session, id, random); // a commit under way is seen through
            }
            catch (StoreException failure) when (failure is StoreUnavailableException or StoreSlowException || (!losesNothing && failure is MissingStateException))
            {
                Interlocked.Increment(ref _failed);
                CheckBound(ref start, calls: 6);
            }
        }
    }

    private async Task CommitAsync(RedisStore store, SessionReference? session, string id, Random random)
    {
        var start = Given;
        var prefix = Prefix([.. Enumerable.Range(0, random.Next(1, 9)).Select(_ => random.Next(4))]);
        await SaveAsync(store, prefix, prefix.TokenCount, _time);
        CheckBound(ref start, calls: 3);
        var parent = session?.Head is { } head ? await store.GetTurnAsync(head) : null;
        CheckBound(ref start);
        var turn = Turn(parent, [random.Next(100)], _time);
        await store.PutTurnAsync(turn);
        CheckBound(ref start);
        var begun = session ?? SessionReference.Create(Alice, id, Model, _time.GetUtcNow());
        var next = (session is null ? begun with { Head = turn.Id } : begun.MoveTo(turn.Id, _time.GetUtcNow())) with { Title = $"{turn.Depth + 1} turns" };
        Assert.True(await store.TrySwapSessionAsync(next, session?.Epoch ?? 0), $"{id} was told of a conflict, though nobody else moves it.");
        CheckBound(ref start);
        _acknowledged[id] = next;
        Interlocked.Increment(ref _commits);
        if (random.Next(10) == 0)
        {
            await store.SweepAsync();
        }
    }

    /// <param name="start">By the clock, without what the machine withheld; from here on it is now.</param>
    /// <param name="calls">Made since.</param>
    private void CheckBound(ref TimeSpan start, int calls = 1)
    {
        var elapsed = Given - start;
        start = Given;
        if (calls == 1)
        {
            InterlockedMax(ref _longestTicks, elapsed.Ticks);
        }

        Assert.True(elapsed < (Timeout * calls) + Grace, $"{calls} calls took {elapsed}; {Timeout} each are the bound.");
    }

    private static void InterlockedMax(ref long target, long value)
    {
        for (var seen = Volatile.Read(ref target); value > seen; seen = Volatile.Read(ref target))
        {
            Interlocked.CompareExchange(ref target, value, seen);
        }
    }
}
