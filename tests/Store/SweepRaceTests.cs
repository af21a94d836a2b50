using static Loire.Store.Tests.Samples;

namespace Loire.Store.Tests;

/// <summary>A writer that comes between a sweep's look and its deletion, at each place where it could.</summary>
public sealed class SweepRaceTests : DirectoryStoreTestBase
{
    private readonly PrefixDigests _prefix = Prefix(1, 2, 3, 4, 5);

    /// <summary>Sweeps with everything old, and lets the writer in when the files of a kind have been looked at.</summary>
    private async Task SweepAsync(string lookedAt, Func<Task> writer)
    {
        Time.Advance(TimeSpan.FromHours(5));
        var ran = 0;
        Store.SweepLookedAt = kind =>
        {
            if (kind.ToString() == lookedAt)
            {
                ran++;
                writer().GetAwaiter().GetResult();
            }
        };
        await Store.SweepAsync();
        Store.SweepLookedAt = null;
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

    private async Task AssertFoundAsync()
    {
        var found = await Store.FindLongestPrefixAsync(_prefix, 5);
        Assert.NotNull(found);
        await AssertRestoresAsync(Store, found);
    }
}
