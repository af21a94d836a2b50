using Loire.Store.Redis;
using StackExchange.Redis;
using static Loire.Store.Tests.Samples;

namespace Loire.Store.Tests;

/// <summary>A writer on one silo that comes between the look and the deletion of another silo's sweep, at each place where it could.</summary>
[Collection(SharedRedisCollection.Name)]
public sealed class SweepRaceTests(SharedRedis redis) : RedisStoreTestBase(redis)
{
    private readonly PrefixDigests _prefix = Prefix(1, 2, 3, 4, 5);

    /// <summary>Sweeps with everything old, and lets the writer in when the files of a kind have been looked at.</summary>
    private async Task SweepAsync(string lookedAt, Func<Task> writer)
    {
        Time.Advance(TimeSpan.FromHours(5));
        var ran = 0;
        var sweeper = await OpenAnotherAsync();
        sweeper.SweepLookedAt = async kind =>
        {
            if (kind.ToString() == lookedAt)
            {
                ran++;
                await writer();
            }
        };
        await sweeper.SweepAsync();
        Assert.Equal(1, ran);
    }

    private async Task<TurnRecord> ChainAsync()
    {
        var first = Turn(null, [1, 2], Time);
        var second = Turn(first, [3, 4], Time);
        await Store.PutTurnAsync(first);
        await Store.PutTurnAsync(second);
        return second;
    }

    [Fact]
    public async Task A_session_moved_to_an_old_turn_keeps_its_whole_chain()
    {
        var turn = await ChainAsync();

        await SweepAsync("Turns", async () => Assert.True(await Store.TrySwapSessionAsync(
            SessionReference.Create(Alice, "chat", Model, Time.GetUtcNow()) with { Head = turn.Id }, 0)));

        Assert.Equal([1, 2, 3, 4], (await Store.ReadHistoryAsync(turn.Id)).Tokens);
    }

    [Fact]
    public async Task A_turn_added_to_an_old_one_keeps_its_whole_chain()
    {
        var turn = Turn(await ChainAsync(), [5], Time);

        await SweepAsync("Turns", async () => await Store.PutTurnAsync(turn));

        Assert.Equal([1, 2, 3, 4, 5], (await Store.ReadHistoryAsync(turn.Id)).Tokens);
    }

    [Fact]
    public async Task An_old_turn_recorded_again_keeps_its_whole_chain()
    {
        var turn = await ChainAsync();

        await SweepAsync("Turns", async () => await Store.PutTurnAsync(turn));

        Assert.Equal([1, 2, 3, 4], (await Store.ReadHistoryAsync(turn.Id)).Tokens);
    }

    [Theory]
    [InlineData("Turns")]
    [InlineData("Checkpoints")]
    [InlineData("Blobs")]
    public async Task A_checkpoint_stored_on_old_blobs_keeps_them(string lookedAt)
    {
        var references = await Store.PutBlobsAsync(Blobs(_prefix, 5));
        var manifest = CheckpointManifest.Create(_prefix, 5, DType, references, Time.GetUtcNow());

        await SweepAsync(lookedAt, async () => await Store.PutCheckpointAsync(manifest));

        await AssertFoundAsync();
    }

    [Theory]
    [InlineData("Turns")]
    [InlineData("Checkpoints")]
    public async Task An_old_checkpoint_found_again_stays_with_its_blobs(string lookedAt)
    {
        await Samples.SaveAsync(Store, _prefix, 5, Time);

        await SweepAsync(lookedAt, async () => Assert.NotNull(await Store.FindLongestPrefixAsync(_prefix, 5)));

        await AssertFoundAsync();
    }

    [Theory]
    [InlineData("Turns")]
    [InlineData("Checkpoints")]
    public async Task A_session_moved_to_a_turn_keeps_the_turns_old_checkpoint(string lookedAt)
    {
        var turn = Turn(null, [1, 2, 3, 4, 5], Time, await Samples.SaveAsync(Store, _prefix, 5, Time));
        await Store.PutTurnAsync(turn);

        await SweepAsync(lookedAt, async () =>
        {
            await Store.PutTurnAsync(turn);
            Assert.True(await Store.TrySwapSessionAsync(SessionReference.Create(Alice, "chat", Model, Time.GetUtcNow()) with { Head = turn.Id }, 0));
        });

        await AssertFoundAsync();
    }

    [Theory]
    [InlineData("Checkpoints")]
    [InlineData("Blobs")]
    public async Task Old_blobs_put_again_are_there_when_their_checkpoint_lists_them(string lookedAt)
    {
        await Store.PutBlobsAsync(Blobs(_prefix, 5));
        IReadOnlyList<BlobReference> references = [];

        await SweepAsync(lookedAt, async () => references = await Store.PutBlobsAsync(Blobs(_prefix, 5)));

        await Store.PutCheckpointAsync(CheckpointManifest.Create(_prefix, 5, DType, references, Time.GetUtcNow()));
        await AssertFoundAsync();
    }

    [Fact]
    public async Task An_old_mark_made_again_is_there_for_the_next_lookup()
    {
        var manifest = await Samples.SaveAsync(Store, _prefix, 5, Time);
        await Store.DiscardCheckpointAsync(manifest.Address);

        await SweepAsync("None", () => Samples.SaveAsync(Store, _prefix, 5, Time));

        await AssertFoundAsync();
    }

    [Fact]
    public async Task While_one_silo_sweeps_anothers_sweep_does_nothing()
    {
        await Samples.SaveAsync(Store, _prefix, 5, Time);
        var other = new SweepReport();

        await SweepAsync("Checkpoints", async () => other = await Store.SweepAsync());

        Assert.Equal((0, 0, 0), (other.CheckpointsKept, other.BlobsKept, other.BlobsDeleted));
        Assert.Null(await Store.GetCheckpointAsync(_prefix.CheckpointAddress(5)));
    }

    [Fact]
    public async Task A_sweep_whose_lease_has_ended_deletes_nothing_more_and_the_next_one_goes_on()
    {
        await Samples.SaveAsync(Store, _prefix, 5, Time);

        await Assert.ThrowsAsync<StoreUnavailableException>(
            () => SweepAsync("Checkpoints", () => Raw.KeyDeleteAsync(Keys.Prefix + "sweep")));

        Assert.NotNull(await Store.GetCheckpointAsync(_prefix.CheckpointAddress(5)));
        Time.Advance(TimeSpan.FromHours(5));
        Assert.Equal(1, (await Store.SweepAsync()).CheckpointsDeleted);
    }

    [Fact]
    public async Task A_sweep_of_another_server_deletes_nothing()
    {
        var turn = await ChainAsync();
        var answer = (await Store.Context.RunAsync("begin", RedisScript.SweepBegin, "token", 30_000)).Parts();
        Assert.Equal(1, (long)answer[0]);

        RedisValue[] deletion = ["token", 30_000, "another run", "t", RedisKeys.Turns, long.MaxValue, turn.Id.ToString()];
        Assert.Equal(-1, (long)(await Store.Context.RunAsync("delete", RedisScript.SweepDelete, deletion)).Parts()[0]);

        deletion[2] = answer[1].Text();
        Assert.Equal(0, (long)(await Store.Context.RunAsync("delete", RedisScript.SweepDelete, deletion)).Parts()[0]);
    }

    [Fact]
    public async Task Nothing_is_noted_when_nobody_sweeps()
    {
        await Samples.SaveAsync(Store, _prefix, 5, Time);
        await Store.SweepAsync();

        Assert.Equal([Keys.Prefix + "blobs", Keys.Prefix + "bytes", Keys.Prefix + "checkpoints", Keys.Prefix + "marks"],
            (await KeysLikeAsync("*")).Where(key => !key[Keys.Prefix.Length..].Contains(':', StringComparison.Ordinal)).Order(StringComparer.Ordinal));
    }

    private async Task AssertFoundAsync()
    {
        var found = await Store.FindLongestPrefixAsync(_prefix, 5);
        Assert.NotNull(found);
        await AssertRestoresAsync(Store, found);
    }
}
