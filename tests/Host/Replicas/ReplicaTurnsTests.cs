using Loire.Contracts;
using Loire.Store;

namespace Loire.Host.Tests;

public sealed class ReplicaTurnsTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(100)]
    public Task A_stop_string_across_tokens_is_cut_out_of_the_text(int chunk) => World.RunAsync(async world =>
    {
        world.Engine.Next(new Script { Tokens = ByteTokens.Of("one stone END two"), Chunk = chunk });
        var events = await World.ReadAsync(world.Session().RunAsync(World.Request("x", "t1") with { Stop = ["END", "stop"] }, CancellationToken.None));

        Assert.Equal("one stone ", World.TextOf(events));
        Assert.Equal(FinishReason.Stop, events[^1].Finish!.Reason);
        Assert.Equal(ByteTokens.Of("one stone END"), World.TokensOf(events));
        Assert.Equal("one stone ", (await world.ViewAsync()).History[0].Messages[^1].Content);
    });

    [Fact]
    public Task What_only_looked_like_a_stop_string_comes_out_at_the_end() => World.RunAsync(async world =>
    {
        world.Engine.Next("this is the EN");
        var events = await World.ReadAsync(world.Session().RunAsync(World.Request("x", "t1") with { Stop = ["END"] }, CancellationToken.None));
        Assert.Equal("this is the EN", World.TextOf(events));
    });

    [Fact]
    public Task No_chunk_has_half_a_character() => World.RunAsync(async world =>
    {
        world.Engine.Next("añ€😀");
        var events = await World.ReadAsync(world.Session().RunAsync(World.Request("x", "t1"), CancellationToken.None));

        Assert.Equal("añ€😀", World.TextOf(events));
        Assert.DoesNotContain(events, item => item.Chunk?.Text.Contains('\uFFFD') == true);
    });

    [Fact]
    public Task Tokens_that_are_ready_together_come_in_one_event() => World.RunAsync(async world =>
    {
        world.Engine.Next(new Script { Tokens = ByteTokens.Of("abcdef"), Chunk = 4 });
        var events = await world.RunTurnAsync("x", "t1");
        Assert.Equal(["abcd", "ef"], events.Where(item => item.Chunk is not null).Select(item => item.Chunk!.Text));
    });

    [Fact]
    public Task Log_probabilities_come_with_their_tokens_when_asked_for() => World.RunAsync(async world =>
    {
        world.Engine.Next("ab");
        var request = World.Request("x", "t1") with { Sampling = new SamplingOptions { LogProbs = 1 } };
        var chunk = (await World.ReadAsync(world.Session().RunAsync(request, CancellationToken.None)))[1].Chunk!;

        Assert.Equal((97, -0.5f), (chunk.LogProbs[0].Token, chunk.LogProbs[0].LogProb));
        Assert.Equal(new TokenAlternative(7, -1), Assert.Single(chunk.LogProbs[0].Top));
    });

    [Fact]
    public Task A_long_answer_is_checkpointed_on_its_way() => World.RunAsync(
        async world =>
        {
            var script = world.Engine.Next(new Script { Tokens = ByteTokens.Of(new string('y', 100)), PauseAfter = 80 });
            var events = new List<TurnEvent>();
            await using var turn = world.Turns.RunAsync(Ask("prompt", "t1"), CancellationToken.None).GetAsyncEnumerator();
            for (var tokens = 0; tokens < 80; tokens += turn.Current.Chunk?.Tokens.Length ?? 0)
            {
                Assert.True(await turn.MoveNextAsync());
                events.Add(turn.Current);
            }

            // The answer is not over, and a state of its beginning can be restored already.
            await world.Store.CheckpointStored.Task;
            Assert.InRange((await FindAsync(world, ByteTokens.Of("prompt" + new string('y', 80))))!.TokenCount, 15, 85);
            script.Resume();
            while (await turn.MoveNextAsync())
            {
                events.Add(turn.Current);
            }

            Assert.Equal(105, events.Last(item => item.Checkpoint is not null).Checkpoint!.Tokens);
        },
        checkpointEvery: 16);

    [Fact]
    public Task A_periodic_checkpoint_that_fails_fails_nothing() => World.RunAsync(
        async world =>
        {
            var failures = 0;
            world.Store.Before = name => name == "PutCheckpointAsync" && failures++ == 0
                ? Task.FromException(new StoreFullException("The disk is full."))
                : Task.CompletedTask;
            world.Engine.Next(new string('y', 100));
            var events = await world.RunTurnAsync("prompt", "t1");

            Assert.True(failures > 1);
            Assert.Equal(FinishReason.Stop, events[^1].Finish!.Reason);
            Assert.Equal(106, (await world.ViewAsync()).CheckpointTokens);
        },
        checkpointEvery: 16);

    [Fact]
    public Task A_stream_that_is_broken_off_without_cancelling_frees_everything() => World.RunAsync(
        async world =>
        {
            world.Engine.Next(new string('y', 100));
            var tokens = 0;
            await foreach (var item in world.Turns.RunAsync(Ask("prompt", "t1"), CancellationToken.None))
            {
                if ((tokens += item.Chunk?.Tokens.Length ?? 0) == 40)
                {
                    break;
                }
            }

            Assert.Equal(0, world.Engine.Load.SlotsInUse);
        },
        checkpointEvery: 16);

    [Fact]
    public Task Sessions_that_begin_alike_store_their_pages_once() => World.RunAsync(async world =>
    {
        var beginning = new string('a', 200); // three full pages
        await world.RunTurnAsync(beginning + "left", "t1", "left");
        var first = world.Store.Put.Where(blob => blob.Kind == BlobKind.KeyValuePage).Select(blob => blob.Address).ToArray();
        await world.RunTurnAsync(beginning + "right", "t1", "right");
        var pages = world.Store.Put.Where(blob => blob.Kind == BlobKind.KeyValuePage).Select(blob => blob.Address).ToArray();

        Assert.Equal(6, first.Length); // two layers
        Assert.Equal(6, pages.Distinct().Count());
        var written = world.Store.Usage.BlobsWritten;
        var fork = await world.Session("left").ForkAsync(new ForkRequest("fork"));
        Assert.Equal(written, world.Store.Usage.BlobsWritten);
        Assert.Equal(1, fork.Turns);
    });

    [Fact]
    public Task A_turn_writes_only_pages_that_are_not_stored_yet() => World.RunAsync(async world =>
    {
        await world.RunTurnAsync(new string('a', 200), "t1");
        world.Store.Put.Clear();
        await world.RunTurnAsync(new string('b', 60), "t2");
        Assert.Equal([3, 3], world.Store.Put.Where(blob => blob.Kind == BlobKind.KeyValuePage).Select(blob => blob.Page));

        await world.RestartAsync();
        await world.RunTurnAsync(new string('c', 60), "t3");
        Assert.Equal([4, 4], world.Store.Put.Where(blob => blob.Kind == BlobKind.KeyValuePage).Select(blob => blob.Page));
    });

    [Fact]
    public Task Pages_that_vanished_from_the_store_are_written_again() => World.RunAsync(async world =>
    {
        await world.RunTurnAsync(new string('a', 200), "t1");
        Directory.Delete(Path.Combine(world.BlobDirectory, "blobs"), recursive: true);
        Directory.CreateDirectory(Path.Combine(world.BlobDirectory, "blobs"));

        await world.RunTurnAsync("more", "t2");

        await world.RestartAsync();
        Assert.Equal(StateSource.Store, (await world.RunTurnAsync("again", "t3"))[0].Start!.Source);
    });

    [Fact]
    public Task An_evicted_state_is_read_from_the_store() => World.RunAsync(async world =>
    {
        await world.RunTurnAsync("hello", "t1");
        world.Engine.EvictAll();
        Assert.Equal(new TurnStart(9, 7, StateSource.Store), (await world.RunTurnAsync("x", "t2"))[0].Start);
    });

    [Fact]
    public Task A_whole_prompt_that_is_stored_still_computes_its_last_token() => World.RunAsync(async world =>
    {
        await world.RunTurnAsync("hello", "t1");
        int[] same = [.. ByteTokens.Of("hellook")]; // exactly what the state covers
        var events = await World.ReadAsync(world.Turns.RunAsync(Ask("", "t2") with { Tokens = [.. same] }, CancellationToken.None));

        Assert.True(events[0].Start!.CachedTokens < same.Length);
    });

    [Fact]
    public Task Another_owner_finds_nothing_of_it() => World.RunAsync(async world =>
    {
        await world.RunTurnAsync("hello", "t1");
        var events = await World.ReadAsync(world.Turns.RunAsync(Ask("hello again", "t2") with { Owner = "somebody" }, CancellationToken.None));
        Assert.Equal(0, events[0].Start!.CachedTokens);
    });

    [Fact]
    public Task Idle_states_are_released_and_come_back() => World.RunAsync(async world =>
    {
        await world.RunTurnAsync("hello", "t1");
        world.Time.Advance(TimeSpan.FromMinutes(11));

        Assert.Equal(1, await world.Turns.Residents.ReleaseIdleAsync(world.Time.GetUtcNow() - TimeSpan.FromMinutes(10)));

        Assert.Equal(0, world.Engine.Load.SlotsInUse);
        Assert.Equal(new TurnStart(9, 7, StateSource.Store), (await world.RunTurnAsync("x", "t2"))[0].Start);
    });

    private static ReplicaTurn Ask(string prompt, string turnId) => new()
    {
        TurnId = turnId, Owner = SessionKey.LocalOwner, Session = "chat", Tokens = [.. ByteTokens.Of(prompt)],
        Sampling = new SamplingOptions(), MaxTokens = 1000,
    };

    private static ValueTask<CheckpointManifest?> FindAsync(World world, int[] tokens)
    {
        var prefix = StateAddress.Of(World.Model.Digest, new StateOwner(SessionKey.LocalOwner), tokens, 64);
        return world.Store.FindLongestPrefixAsync(prefix, tokens.Length);
    }
}
