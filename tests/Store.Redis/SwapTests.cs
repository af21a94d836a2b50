using Loire.Store.Redis;
using StackExchange.Redis;
using static Loire.Store.Tests.Samples;

namespace Loire.Store.Tests;

/// <summary>Session references moved by several silos at once, and by one whose answers are lost.</summary>
[Collection(SharedRedisCollection.Name)]
public sealed class SwapTests(SharedRedis redis) : RedisStoreTestBase(redis)
{
    private async Task<SessionReference> NewSessionAsync(string id)
    {
        var session = SessionReference.Create(Alice, id, Model, Time.GetUtcNow());
        Assert.True(await Store.TrySwapSessionAsync(session, 0));
        return session;
    }

    [Fact]
    public async Task Of_a_thousand_swaps_by_several_silos_one_wins_each_epoch()
    {
        const int Rounds = 50;
        RedisStore[] stores = [Store, await OpenAnotherAsync(), await OpenAnotherAsync(), await OpenAnotherAsync()];
        var session = await NewSessionAsync("chat");
        for (var round = 0; round < Rounds; round++)
        {
            var from = session;
            var moves = await Task.WhenAll(Enumerable.Range(0, 20).Select(rival => Task.Run(async () =>
            {
                var next = from.MoveTo(null, Time.GetUtcNow()) with { Title = $"{round}/{rival}" };
                return (next.Title, Won: await stores[rival % stores.Length].TrySwapSessionAsync(next, from.Epoch));
            })));

            var winner = Assert.Single(moves, move => move.Won);
            session = await stores[round % stores.Length].GetSessionAsync(Alice, "chat") ?? throw new InvalidOperationException("The session is gone.");
            Assert.Equal((winner.Title, from.Epoch + 1), (session.Title, session.Epoch));
        }

        Assert.Equal(19 * Rounds, stores.Sum(store => store.Usage.StaleCommits));
    }

    [Fact]
    public async Task The_same_swap_asked_again_is_answered_again_and_another_of_the_same_content_is_refused()
    {
        var session = await NewSessionAsync("chat");
        var name = RedisKeys.SessionOf(Alice, "chat").ToString();
        RedisValue[] move = [name, RedisKeys.OwnerOf(Alice).ToString(), session.Epoch, session.Epoch + 1, "record", "swap 1", "", "", "", 1];

        for (var times = 0; times < 3; times++)
        {
            Assert.Equal(1, (long)await SwapAsync(move));
        }

        move[5] = "swap 2";
        Assert.Equal(0, (long)await SwapAsync(move));

        async Task<RedisResult> SwapAsync(RedisValue[] arguments) =>
            (await Store.Context.RunAsync("swap", RedisScript.SessionSwap, arguments)).Parts()[0];
    }

    [Fact]
    public async Task The_same_deletion_asked_again_is_answered_again()
    {
        var session = await NewSessionAsync("chat");
        RedisValue[] deletion = [RedisKeys.SessionOf(Alice, "chat").ToString(), RedisKeys.OwnerOf(Alice).ToString(), session.Epoch, "deletion", 60_000];
        for (var times = 0; times < 3; times++)
        {
            Assert.Equal(1, (long)(await Store.Context.RunAsync("delete", RedisScript.SessionDelete, deletion)).Parts()[0]);
        }

        Assert.Null(await Store.GetSessionAsync(Alice, "chat"));
        await NewSessionAsync("chat");
        Assert.NotNull(await Store.GetSessionAsync(Alice, "chat"));
    }

    [Fact]
    public async Task Of_a_deleted_session_nothing_stays_for_longer_than_its_deletion_may_be_asked_again()
    {
        var session = await NewSessionAsync("chat");
        Assert.True(await Store.DeleteSessionAsync(Alice, "chat", session.Epoch));

        var answer = Assert.Single(await KeysLikeAsync($"*{RedisKeys.SessionOf(Alice, "chat")}*"));
        Assert.InRange((long)await Raw.ExecuteAsync("PTTL", answer), 1, 20_000); // four times the five seconds of a command
    }

    [Fact]
    public async Task Sessions_are_listed_newest_first_and_all_of_many()
    {
        var sessions = new List<SessionReference>();
        for (var i = 0; i < 150; i++)
        {
            Time.Advance(TimeSpan.FromSeconds(1));
            sessions.Add(await NewSessionAsync($"session {i}"));
        }

        Time.Advance(TimeSpan.FromSeconds(1));
        Assert.True(await Store.TrySwapSessionAsync(sessions[40].MoveTo(null, Time.GetUtcNow()), sessions[40].Epoch));
        var listed = new List<string>();
        await foreach (var session in Store.ListSessionsAsync(Alice))
        {
            listed.Add(session.Id);
        }

        Assert.Equal(["session 40", .. Enumerable.Range(0, 150).Reverse().Where(i => i != 40).Select(i => $"session {i}")], listed);
    }

    [Fact]
    public async Task A_record_above_its_bound_is_refused_by_name_and_nothing_is_written()
    {
        var noise = new byte[8 << 20];
        new Random(8).NextBytes(noise);
        var turn = Turn(null, [1], Time) with { Messages = [new TurnMessage("user", Convert.ToBase64String(noise))] };

        var refused = await Assert.ThrowsAsync<RecordTooLargeException>(async () => await Store.PutTurnAsync(turn.Seal()));

        Assert.Contains("turn-0", refused.Message, StringComparison.Ordinal);
        Assert.Equal(0, Store.Usage.Turns);
    }

    [Fact]
    public async Task A_turn_of_a_million_tokens_and_a_manifest_of_many_thousand_pages_come_back()
    {
        var random = new Random(5);
        var turn = Turn(null, [.. Enumerable.Range(0, 1_000_000).Select(_ => random.Next(200_000))], Time);
        await Store.PutTurnAsync(turn);
        Assert.Equal(turn.NewTokens, (await Store.GetTurnAsync(turn.Id))?.NewTokens);

        const int Blobs = 40_000;
        var blobs = Enumerable.Range(0, Blobs).Select(i => new BlobContent(
            BlobKind.RecurrentState, i, 0, Digest.Of(BitConverter.GetBytes(i)), DType, BitConverter.GetBytes(i))).ToList();
        var prefix = Prefix(1, 2, 3);
        var manifest = CheckpointManifest.Create(prefix, 3, DType, await Store.PutBlobsAsync(blobs), Time.GetUtcNow());
        await Store.PutCheckpointAsync(manifest);
        Assert.Equal(manifest.Blobs, (await Store.GetCheckpointAsync(manifest.Address))?.Blobs);
        Assert.InRange((long)await Raw.ExecuteAsync("HSTRLEN", Keys.Checkpoint(manifest.Address), "r"), 1, RedisStoreOptions.MostValueBytes);

        Time.Advance(TimeSpan.FromHours(2));
        var report = await Store.SweepAsync();
        Assert.Equal((1, 1, Blobs), (report.TurnsDeleted, report.CheckpointsDeleted, report.BlobsDeleted));
        Assert.Equal(0, Store.Usage.Bytes);
    }

    [Fact]
    public async Task Scripts_that_the_server_has_forgotten_are_loaded_again()
    {
        var session = await NewSessionAsync("chat");
        await Raw.ExecuteAsync("SCRIPT", "FLUSH");

        Assert.True(await Store.TrySwapSessionAsync(session.MoveTo(null, Time.GetUtcNow()), session.Epoch));
    }
}
