using Loire.Contracts;

namespace Loire.Host.Tests;

public sealed class CancellationTests
{
    [Fact]
    public Task A_reader_that_breaks_off_frees_the_slot_and_what_it_was_given_is_committed() => World.RunAsync(async world =>
    {
        var script = world.Engine.Next(new Script { Tokens = ByteTokens.Of("abcdefgh") });
        await BreakOffAfterAsync(world, "one", chunks: 3);

        Assert.Equal(0, world.Engine.Load.SlotsInUse);
        Assert.Single(script.Requests);
        var view = await world.ViewAsync();
        Assert.Equal(("cancelled", 3, 6), (view.History[0].FinishReason, view.History[0].GeneratedTokens, view.Tokens));
        Assert.Equal("abc", view.History[0].Messages[^1].Content);
        Assert.Equal(5, view.CheckpointTokens); // all but the last token was fed

        var events = await world.RunTurnAsync("go on", "t2");
        Assert.Equal(new TurnStart(11, 5, StateSource.Store), events[0].Start);
    });

    [Fact]
    public Task A_cancelled_token_ends_a_turn_that_waits_for_the_engine() => World.RunAsync(async world =>
    {
        var script = world.Engine.Next(new Script { Tokens = ByteTokens.Of("abcdefgh"), PauseAfter = 2 });
        using var hangUp = new CancellationTokenSource();
        var reading = World.ReadAsync(world.Session().RunAsync(World.Request("one", "t1"), hangUp.Token));
        await script.Paused.Task;

        await hangUp.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => reading);
        Assert.Equal(0, world.Engine.Load.SlotsInUse);
        var turn = (await world.ViewAsync()).History[0];
        Assert.Equal(("cancelled", "ab"), (turn.FinishReason, turn.Messages[^1].Content));
    });

    [Fact]
    public Task What_the_engine_had_ready_but_nobody_was_given_is_not_committed() => World.RunAsync(async world =>
    {
        world.Engine.Next(new Script { Tokens = ByteTokens.Of("abcdefgh"), Ahead = 3 });
        await BreakOffAfterAsync(world, "one", chunks: 2);

        var view = await world.ViewAsync();
        Assert.Equal("ab", view.History[0].Messages[^1].Content);
        Assert.True(view.CheckpointTokens <= view.Tokens);

        world.Engine.Next("z");
        var events = await world.RunTurnAsync("go on", "t2");
        Assert.Equal(0, events[0].Start!.CachedTokens);
        Assert.Equal("z", World.TextOf(events));
    });

    [Fact]
    public Task A_turn_that_is_cancelled_before_its_first_token_leaves_no_trace() => World.RunAsync(async world =>
    {
        await world.RunTurnAsync("hello", "t1");
        var head = (await world.ViewAsync()).Head;
        var script = world.Engine.Next(new Script { Tokens = ByteTokens.Of("abc"), PauseAfter = 0 });
        using var hangUp = new CancellationTokenSource();
        var request = await World.NextAsync(world.Session(), "two", "t2");
        var reading = World.ReadAsync(world.Session().RunAsync(request, hangUp.Token));
        await script.Paused.Task;

        await hangUp.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => reading);

        var view = await world.ViewAsync();
        Assert.Equal((head, 1), (view.Head, view.History.Length));
        Assert.Equal("ok", World.TextOf(await World.ReadAsync(world.Session().RunAsync(request, CancellationToken.None))));
    });

    [Fact]
    public Task A_replica_that_cannot_be_asked_to_cancel_does_not_keep_the_session_busy() => World.RunAsync(async world =>
    {
        var script = world.Engine.Next(new Script { Tokens = ByteTokens.Of("abcdefgh"), PauseAfter = 2 });
        world.Replica.CancelFault = new TimeoutException("The replica did not answer.");
        using var hangUp = new CancellationTokenSource();
        var reading = World.ReadAsync(world.Session().RunAsync(World.Request("one", "t1"), hangUp.Token));
        await script.Paused.Task;

        await hangUp.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => reading);
        Assert.Equal("ab", (await world.ViewAsync()).History[0].Messages[^1].Content);
        world.Engine.Next("z");
        Assert.Equal("z", World.TextOf(await world.RunTurnAsync("go on", "t2")));
    });

    [Fact]
    public Task A_turn_that_waits_for_a_slot_leaves_the_queue() => World.RunAsync(async world =>
    {
        var script = world.Engine.Next(new Script { Tokens = ByteTokens.Of("abc"), PauseAfter = -1 });
        using var hangUp = new CancellationTokenSource();
        var reading = World.ReadAsync(world.Session().RunAsync(World.Request("one", "t1"), hangUp.Token));
        await script.Paused.Task;

        await hangUp.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => reading);
        Assert.Empty(world.Engine.Live);
    });

    [Fact]
    public Task A_silo_that_stops_lets_turns_finish_and_takes_no_more() => World.RunAsync(async world =>
    {
        var script = world.Engine.Next(new Script { Tokens = ByteTokens.Of("abc"), PauseAfter = 1 });
        var reading = World.ReadAsync(world.Session().RunAsync(World.Request("one", "t1"), CancellationToken.None));
        await script.Paused.Task;
        var draining = world.Drain.DrainAsync(TimeSpan.FromSeconds(20), world.Time, CancellationToken.None);

        var refused = await Assert.ThrowsAsync<ClusterException>(() => world.RunTurnAsync("two", "t2", "other"));
        Assert.Equal(FailureCode.NoCapacity, refused.Code);
        script.Resume();

        Assert.Equal("abc", World.TextOf(await reading));
        Assert.True(await draining);
    });

    [Fact]
    public Task A_silo_that_stops_cancels_what_takes_too_long_and_commits_what_was_delivered() => World.RunAsync(async world =>
    {
        var script = world.Engine.Next(new Script { Tokens = ByteTokens.Of("abc"), PauseAfter = 2 });
        var reading = World.ReadAsync(world.Session().RunAsync(World.Request("one", "t1"), CancellationToken.None));
        await script.Paused.Task;
        var draining = world.Drain.DrainAsync(TimeSpan.FromSeconds(20), world.Time, CancellationToken.None);

        world.Time.Advance(TimeSpan.FromSeconds(21));

        var events = await reading;
        Assert.Equal(("ab", FinishReason.Cancelled), (World.TextOf(events), events[^1].Finish!.Reason));
        Assert.True(await draining);
        Assert.Equal("cancelled", (await world.ViewAsync()).History[0].FinishReason);
    });

    private static async Task BreakOffAfterAsync(World world, string text, int chunks)
    {
        await foreach (var item in world.Session().RunAsync(World.Request(text, "t1"), CancellationToken.None))
        {
            if (item.Kind == TurnEventKind.Tokens && --chunks == 0)
            {
                break;
            }
        }
    }
}
