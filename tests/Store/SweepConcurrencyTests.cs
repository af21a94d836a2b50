using static Loire.Store.Tests.Samples;

namespace Loire.Store.Tests;

/// <summary>Writers and sweeps at once, with no time to live at all: the harshest case, where only references keep anything.</summary>
public sealed class SweepConcurrencyTests : DirectoryStoreTestBase
{
    private const int Writers = 4;
    private const int TurnsPerWriter = 25;
    private const int MostTurns = 1_000;

    private int _sweeps;

    private protected override DirectoryStoreOptions Options =>
        new() { Path = Root, TimeToLive = TimeSpan.Zero, KeepCheckpoints = 2, SyncRecords = false };

    public override Task InitializeAsync()
    {
        Time = new FakeTime(step: TimeSpan.FromSeconds(1));
        return base.InitializeAsync();
    }

    [Fact]
    public async Task What_a_session_reaches_is_whole_at_every_moment()
    {
        using var done = new CancellationTokenSource();
        var sweeper = Task.Run(async () =>
        {
            while (!done.IsCancellationRequested)
            {
                var report = await Store.SweepAsync();
                Assert.Empty(report.Damaged);
                Interlocked.Increment(ref _sweeps);
            }
        });

        await Task.WhenAll(Enumerable.Range(0, Writers).Select(writer => Task.Run(() => WriteAsync(writer))));
        await done.CancelAsync();
        await sweeper;

        Assert.True(_sweeps > 1, $"Only {_sweeps} sweeps ran.");
        await foreach (var session in Store.ListSessionsAsync(Alice))
        {
            await AuditAsync(session);
        }
    }

    /// <summary>Goes on until two sweeps have run beside it, however slow they are.</summary>
    private async Task WriteAsync(int writer)
    {
        var session = SessionReference.Create(Alice, $"writer {writer}", Model, Time.GetUtcNow());
        Assert.True(await Store.TrySwapSessionAsync(session, 0));
        TurnRecord? head = null;
        var prefix = Prefix();
        for (var i = 0; i < TurnsPerWriter || (Volatile.Read(ref _sweeps) < 2 && i < MostTurns); i++)
        {
            // The first tokens are everybody's, so that writers and sweeps meet on the same pages.
            int[] added = [i, i % 2 == 0 ? i : writer, 7];
            prefix.Append(added);
            var turn = await CommitAsync(session, head, prefix, added);
            (session, head) = (await Store.GetSessionAsync(Alice, session.Id) ?? throw new InvalidOperationException($"{session.Id} is gone."), turn);
            await AuditAsync(session);
            if (i % 5 == 4)
            {
                var fork = session.Fork($"{session.Id} fork {i}", Time.GetUtcNow());
                Assert.True(await Store.TrySwapSessionAsync(fork, 0));
                await AuditAsync(fork);
            }
        }
    }

    /// <summary>Without time to live, a sweep may take what nothing refers to yet: the store says what is missing, and it is put again.</summary>
    private async Task<TurnRecord> CommitAsync(SessionReference session, TurnRecord? head, PrefixDigests prefix, int[] added)
    {
        for (var attempt = 0; attempt < 1000; attempt++)
        {
            try
            {
                var manifest = await SaveAsync(Store, prefix, prefix.TokenCount, Time);
                var turn = Turn(head, added, Time, manifest);
                await Store.PutTurnAsync(turn);
                Assert.True(await Store.TrySwapSessionAsync(session.MoveTo(turn.Id, Time.GetUtcNow()), session.Epoch));
                return turn;
            }
            catch (MissingStateException)
            {
                // Put it all again.
            }
        }

        throw new InvalidOperationException($"{session.Id} could not commit in 1000 attempts.");
    }

    private async Task AuditAsync(SessionReference session)
    {
        var history = await Store.ReadHistoryAsync(session.Head);
        Assert.Equal(history.Turns.Sum(turn => turn.NewTokens.Count), history.Tokens.Count);
        if (history.Turns[^1].Checkpoint is { } checkpoint && await Store.GetCheckpointAsync(checkpoint) is { } manifest)
        {
            await AssertRestoresAsync(Store, manifest);
        }
    }
}
