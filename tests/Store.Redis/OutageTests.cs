using System.Diagnostics;
using Loire.Redis.Tests;
using Loire.Store.Redis;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit.Abstractions;
using static Loire.Store.Tests.Samples;

namespace Loire.Store.Tests;

/// <summary>Redis gone, frozen, back and full: every call ends in time and says which it was.</summary>
public sealed class OutageTests(ITestOutputHelper output) : IAsyncLifetime
{
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(1);

    /// <summary>What a busy machine may add to a bound.</summary>
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(2);

    private readonly FakeTime _time = new();
    private RedisProcess? _redis;

    private RedisProcess Redis => _redis ?? throw new InvalidOperationException("InitializeAsync has not run.");

    public async Task InitializeAsync() =>
        _redis = RedisProcess.Binary is null ? null : await RedisProcess.StartAsync("--appendonly yes", "--appendfsync always", "--repl-diskless-sync-delay 0");

    public async Task DisposeAsync() => await (_redis?.DisposeAsync() ?? ValueTask.CompletedTask);

    private async Task<RedisStore> OpenAsync(TimeSpan? timeout = null) => await SharedRedis.OpenAsync(
        new RedisStoreOptions { Connection = Redis.Address, OperationTimeout = timeout ?? Timeout, TimeToLive = TimeSpan.FromHours(1) }, _time);

    private async Task<SessionReference> NewSessionAsync(RedisStore store)
    {
        var session = SessionReference.Create(Alice, "chat", Model, _time.GetUtcNow());
        Assert.True(await store.TrySwapSessionAsync(session, 0));
        return session;
    }

    [Fact]
    public async Task While_Redis_is_gone_every_call_fails_in_time_and_says_so_and_after_its_return_all_go_on()
    {
        await using var store = await OpenAsync();
        var manifest = await SaveAsync(store, Prefix(1, 2, 3, 4, 5), 5, _time);
        var session = await NewSessionAsync(store);
        await Redis.KillAsync();

        Func<Task>[] calls =
        [
            async () => await store.PutBlobsAsync(Blobs(Prefix(1, 2, 3), 3)),
            async () => await ReadAsync(store, manifest),
            async () => await store.PutCheckpointAsync(manifest),
            async () => await store.GetCheckpointAsync(manifest.Address),
            async () => await store.DiscardCheckpointAsync(manifest.Address),
            async () => await store.FindLongestPrefixAsync(Prefix(1, 2, 3), 3),
            async () => await store.PutTurnAsync(Turn(null, [1], _time)),
            async () => await store.GetTurnAsync(manifest.Address),
            async () => await store.GetSessionAsync(Alice, "chat"),
            async () => await store.TrySwapSessionAsync(session.MoveTo(null, _time.GetUtcNow()), session.Epoch),
            async () => await store.DeleteSessionAsync(Alice, "chat", session.Epoch),
            async () => await store.ListSessionsAsync(Alice).GetAsyncEnumerator().MoveNextAsync(),
            async () => await store.SweepAsync(),
        ];
        await using var clock = new Metronome();
        var failures = await Task.WhenAll(calls.Select(call => Assert.ThrowsAsync<StoreUnavailableException>(call)));
        var health = await store.GetHealthAsync();

        Assert.InRange(clock.Given, TimeSpan.Zero, Timeout + Timeout + Grace);
        Assert.All(failures, failure => Assert.Contains(Redis.Address, failure.Message, StringComparison.Ordinal));
        Assert.False(health.IsReachable);

        await Redis.StartAgainAsync();
        Assert.True(await store.TrySwapSessionAsync(session.MoveTo(null, _time.GetUtcNow()), session.Epoch));
        await AssertRestoresAsync(store, manifest);
        Assert.True((await store.GetHealthAsync()).IsReachable);
    }

    [Fact]
    public async Task A_store_opened_while_Redis_is_gone_says_so_in_time_and_works_once_it_is_there()
    {
        await Redis.KillAsync();
        await using var store = new RedisStore(
            new RedisStoreOptions { Connection = Redis.Address, OperationTimeout = Timeout }, _time, NullLogger<RedisStore>.Instance);
        await using var clock = new Metronome();

        var failure = await Assert.ThrowsAsync<StoreUnavailableException>(async () => await store.CheckAsync());

        Assert.InRange(clock.Given, TimeSpan.Zero, Timeout + Grace);
        Assert.Contains(Redis.Address, failure.Message, StringComparison.Ordinal);
        await Redis.StartAgainAsync();
        await store.CheckAsync();
    }

    [Fact]
    public async Task A_call_that_meets_a_restart_waits_and_succeeds_soon_after_Redis_is_back()
    {
        await using var store = await OpenAsync(TimeSpan.FromSeconds(20));
        var session = await NewSessionAsync(store);
        var delays = new List<double>();
        for (var round = 0; round < 10; round++)
        {
            await Redis.KillAsync();
            var next = session.MoveTo(null, _time.GetUtcNow());
            var swap = store.TrySwapSessionAsync(next, session.Epoch).AsTask();
            await Redis.StartAgainAsync();
            await using var back = new Metronome();
            Assert.True(await swap);
            delays.Add(back.Given.TotalMilliseconds);
            session = next;
        }

        delays.Sort();
        output.WriteLine($"From Redis' first answer to the waiting swap's: median {delays[5]:F0} ms, longest {delays[^1]:F0} ms.");
        Assert.True(delays[5] < 300, $"Half of the swaps took more than {delays[5]:F0} ms after Redis was back; 300 are the bound.");
    }

    [Fact]
    public async Task A_freeze_shorter_than_the_bound_delays_and_loses_nothing()
    {
        await using var store = await OpenAsync(TimeSpan.FromSeconds(20));
        var session = await NewSessionAsync(store);
        await Redis.SignalAsync("STOP");
        var swap = store.TrySwapSessionAsync(session.MoveTo(null, _time.GetUtcNow()), session.Epoch).AsTask();
        var health = await store.GetHealthAsync(); // its own bound passes meanwhile
        Assert.False(health.IsReachable);
        Assert.False(swap.IsCompleted);

        await Redis.SignalAsync("CONT");

        Assert.True(await swap);
        Assert.Equal(session.Epoch + 1, (await store.GetSessionAsync(Alice, "chat"))?.Epoch);
    }

    [Fact]
    public async Task A_freeze_longer_than_the_bound_is_called_slow_and_the_swap_is_not_done_twice()
    {
        await using var store = await OpenAsync();
        var session = await NewSessionAsync(store);
        var next = session.MoveTo(null, _time.GetUtcNow());
        await Redis.SignalAsync("STOP");
        await using var clock = new Metronome();

        var slow = await Assert.ThrowsAsync<StoreSlowException>(async () => await store.TrySwapSessionAsync(next, session.Epoch));
        var gone = await Assert.ThrowsAnyAsync<StoreException>(async () => await store.PutTurnAsync(Turn(null, [1], _time)));

        Assert.True(clock.Elapsed >= Timeout, $"It was called slow after {clock}.");
        Assert.InRange(clock.Given, TimeSpan.Zero, Timeout + Timeout + Grace);
        Assert.Contains(Redis.Address, slow.Message, StringComparison.Ordinal);
        Assert.True(gone is StoreUnavailableException or StoreSlowException, gone.ToString());
        await Redis.SignalAsync("CONT");
        var found = await store.GetSessionAsync(Alice, "chat");
        Assert.True(found?.Epoch == session.Epoch || found?.Epoch == next.Epoch, $"Epoch {found?.Epoch} of neither.");
    }

    [Fact]
    public async Task When_Redis_is_full_writes_say_so_reads_go_on_and_a_sweep_makes_room()
    {
        await using var full = await RedisProcess.StartAsync("--maxmemory 24mb");
        await using var store = await SharedRedis.OpenAsync(
            new RedisStoreOptions { Connection = full.Address, OperationTimeout = TimeSpan.FromSeconds(20), TimeToLive = TimeSpan.FromHours(1) }, _time);
        var session = await NewSessionAsync(store);
        var manifest = await SaveAsync(store, Prefix(1, 2, 3, 4, 5), 5, _time);
        var stored = new List<BlobReference>();
        var refused = await Assert.ThrowsAsync<StoreFullException>(async () =>
        {
            for (var i = 0; i < 100; i++)
            {
                var content = new byte[(1 << 20) * (1 + (i % 3))];
                stored.AddRange(await store.PutBlobsAsync(
                    [new BlobContent(BlobKind.RecurrentState, 0, 0, Digest.Of(BitConverter.GetBytes(i)), DType, content)]));
            }
        });

        Assert.Contains(full.Address, refused.Message, StringComparison.Ordinal);
        Assert.NotEmpty(stored);
        await store.ReadBlobsAsync([.. stored.Select(blob => new BlobDestination(blob, new byte[blob.Length]))]);
        Assert.NotNull(await store.GetCheckpointAsync(manifest.Address));
        await AssertRestoresAsync(store, manifest);
        Assert.Equal(session, await store.GetSessionAsync(Alice, "chat"));
        Assert.True(store.Usage.FullRefusals > 0);

        _time.Advance(TimeSpan.FromHours(2));
        var report = await store.SweepAsync();
        Assert.True(report.BlobsDeleted >= stored.Count, $"{report.BlobsDeleted} of {stored.Count} blobs went.");
        Assert.True(await store.TrySwapSessionAsync(session.MoveTo(null, _time.GetUtcNow()), session.Epoch));
    }

    [Fact]
    public async Task A_server_that_evicts_is_refused_and_one_without_a_log_of_writes_is_taken()
    {
        await using var evicting = await RedisProcess.StartAsync("--maxmemory 100mb", "--maxmemory-policy allkeys-lru");
        var options = new RedisStoreOptions { Connection = evicting.Address };

        var refused = await Assert.ThrowsAsync<StoreUnavailableException>(async () => await SharedRedis.OpenAsync(options, _time));
        Assert.Contains("allkeys-lru", refused.Message, StringComparison.Ordinal);
        Assert.Contains("noeviction", refused.Message, StringComparison.Ordinal);

        await using var allowed = await SharedRedis.OpenAsync(new RedisStoreOptions { Connection = evicting.Address, AllowEviction = true }, _time);
        Assert.Equal(100 << 20, (await allowed.GetHealthAsync()).MaxMemoryBytes);
    }

    [Fact]
    public async Task Without_the_replicas_that_were_asked_for_a_turn_is_not_acknowledged()
    {
        await using var store = await SharedRedis.OpenAsync(
            new RedisStoreOptions { Connection = Redis.Address, Replicas = 1, OperationTimeout = Timeout }, _time);

        var refused = await Assert.ThrowsAsync<StoreUnavailableException>(async () => await store.PutTurnAsync(Turn(null, [1], _time)));
        Assert.Contains("0 of 1 replicas", refused.Message, StringComparison.Ordinal);

        await using var replica = await RedisProcess.StartAsync($"--replicaof 127.0.0.1 {Redis.Port}");
        var start = Stopwatch.GetTimestamp();
        while ((await store.GetHealthAsync()).ConnectedReplicas != 1)
        {
            Assert.True(Stopwatch.GetElapsedTime(start) < TimeSpan.FromSeconds(20), "The replica did not come up within 20 s.");
        }

        await using var patient = await SharedRedis.OpenAsync(
            new RedisStoreOptions { Connection = Redis.Address, Replicas = 1, OperationTimeout = TimeSpan.FromSeconds(20) }, _time);
        await patient.PutTurnAsync(Turn(null, [1], _time));
    }

    [Fact]
    public async Task After_a_fail_over_commits_go_to_the_new_primary_and_none_to_the_old()
    {
        await using var replica = await RedisProcess.StartAsync($"--replicaof 127.0.0.1 {Redis.Port}", "--appendonly yes");
        await using var store = await SharedRedis.OpenAsync(
            new RedisStoreOptions { Connection = $"{Redis.Address},{replica.Address}", Replicas = 1, OperationTimeout = TimeSpan.FromSeconds(20) }, _time);
        var session = await NewSessionAsync(store); // acknowledged, so the replica has it
        var manifest = await SaveAsync(store, Prefix(1, 2, 3), 3, _time);
        await store.PutTurnAsync(Turn(null, [1], _time)); // and, after it, the blobs

        await Redis.KillAsync();
        var next = session.MoveTo(null, _time.GetUtcNow());
        await using var alone = await OpenUncheckedAsync($"{Redis.Address},{replica.Address}");
        var swap = alone.TrySwapSessionAsync(next, session.Epoch).AsTask();
        Assert.StartsWith("+OK", await replica.TryAskAsync("REPLICAOF NO ONE"), StringComparison.Ordinal);
        var start = Stopwatch.GetTimestamp();

        Assert.True(await swap);
        output.WriteLine($"The swap was done {Stopwatch.GetElapsedTime(start).TotalMilliseconds:F0} ms after the replica became the primary.");
        Assert.Equal(next.Epoch, (await alone.GetSessionAsync(Alice, "chat"))?.Epoch);
        await AssertRestoresAsync(alone, manifest);
    }

    private Task<RedisStore> OpenUncheckedAsync(string connection) => Task.FromResult(new RedisStore(
        new RedisStoreOptions { Connection = connection, OperationTimeout = TimeSpan.FromSeconds(20) }, _time, NullLogger<RedisStore>.Instance));
}
