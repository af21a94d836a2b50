using Loire.Contracts;

namespace Loire.Host.Tests;

public sealed class TurnTests
{
    [Fact]
    public Task A_turn_streams_its_start_its_tokens_and_its_end_and_is_committed() => World.RunAsync(async world =>
    {
        world.Engine.Next("hi there");

        var events = await world.RunTurnAsync("hello", "t1");

        Assert.Equal(TurnEventKind.Started, events[0].Kind);
        Assert.Equal(new TurnStart(5, 0, StateSource.Prefill), events[0].Start);
        Assert.Equal("hi there", World.TextOf(events));
        Assert.Equal([.. ByteTokens.Of("hi there"), ByteTokens.End], World.TokensOf(events));
        Assert.DoesNotContain(events, item => item.Kind == TurnEventKind.Checkpoint);
        var finish = events[^1].Finish!;
        Assert.Equal((FinishReason.Stop, 5, 0, 9), (finish.Reason, finish.PromptTokens, finish.CachedTokens, finish.GeneratedTokens));
        var view = await world.ViewAsync();
        Assert.Equal((finish.Head, 1, 14, 13), (view.Head, view.Turns, view.Tokens, view.CheckpointTokens));
        Assert.Equal(finish.StateBytes, view.StateBytes);
        Assert.True(view.Resident);
        Assert.Null(view.RunningTurn);
        Assert.Equal(["user: hello", "assistant: hi there"], view.History[0].Messages.Select(message => $"{message.Role}: {message.Content}"));
    });

    [Fact]
    public Task The_commit_comes_before_the_last_event() => World.RunAsync(async world =>
    {
        await foreach (var item in world.Session().RunAsync(World.Request("hello", "t1"), CancellationToken.None))
        {
            if (item.Kind == TurnEventKind.Finished)
            {
                var other = await world.Activate().GetAsync();
                Assert.Equal(item.Finish!.Head, other!.Head);
                break; // a reader that stops at the last item never resumes the method
            }
        }

        Assert.Equal("stop", (await world.ViewAsync()).History[0].FinishReason);
    });

    [Fact]
    public Task The_next_turn_goes_on_from_the_state_on_the_device() => World.RunAsync(async world =>
    {
        await world.RunTurnAsync("hello", "t1");
        var computed = world.Engine.PromptTokens;

        var events = await world.RunTurnAsync("again", "t2");

        // hello, o, k, <end>, again: all but the end token and the new text were in the state
        Assert.Equal(new TurnStart(13, 7, StateSource.Device), events[0].Start);
        Assert.Equal(6, world.Engine.PromptTokens - computed);
        Assert.Equal(7, events[^1].Finish!.CachedTokens);
    });

    [Fact]
    public Task Hibernating_changes_where_the_state_comes_from_and_nothing_else() => World.RunAsync(async world =>
    {
        foreach (var session in new[] { "awake", "asleep" })
        {
            await world.RunTurnAsync("my sister is called Greta", "t1", session);
        }

        Assert.True(await world.Session("asleep").HibernateAsync());
        Assert.False(await world.Session("asleep").HibernateAsync());
        Assert.False((await world.ViewAsync("asleep")).Resident);
        world.Engine.EvictAll();
        await world.RunTurnAsync("x", "warm", "warm");
        world.Engine.Next("Greta");
        var asleep = await world.RunTurnAsync("who?", "t2", "asleep");
        Assert.Equal(StateSource.Store, asleep[0].Start!.Source);
        world.Engine.Next("Greta");
        var awake = await world.RunTurnAsync("who?", "t2", "awake");

        Assert.Equal(awake[0].Start!.CachedTokens, asleep[0].Start!.CachedTokens);
        Assert.Equal(World.TokensOf(awake), World.TokensOf(asleep));
        Assert.Equal(World.TextOf(awake), World.TextOf(asleep));
        Assert.Equal(awake[^1].Finish! with { Head = null }, asleep[^1].Finish! with { Head = null });
    });

    [Fact]
    public Task After_a_restart_only_what_is_new_is_computed() => World.RunAsync(async world =>
    {
        await world.RunTurnAsync(new string('a', 150), "t1");
        await world.RestartAsync();

        var events = await world.RunTurnAsync("again", "t2");

        Assert.Equal(new TurnStart(158, 152, StateSource.Store), events[0].Start);
        Assert.Equal(6, world.Engine.PromptTokens);
    });

    [Fact]
    public Task A_second_turn_is_refused_while_one_runs() => World.RunAsync(async world =>
    {
        var script = world.Engine.Next(new Script { Tokens = ByteTokens.Of("abc"), PauseAfter = 1 });
        var running = World.ReadAsync(world.Session().RunAsync(World.Request("one", "t1"), CancellationToken.None));
        await script.Paused.Task;

        var busy = await Assert.ThrowsAsync<ClusterException>(() => World.ReadAsync(world.Session().RunAsync(World.Request("two", "t2"), CancellationToken.None)));
        Assert.Equal(FailureCode.SessionBusy, busy.Code);
        Assert.Equal(FailureCode.SessionBusy, (await Assert.ThrowsAsync<ClusterException>(() => world.Session().RewindAsync(new RewindRequest(1)))).Code);
        Assert.Equal(FailureCode.SessionBusy, (await Assert.ThrowsAsync<ClusterException>(() => world.Session().DeleteAsync())).Code);
        Assert.Equal("t1", (await world.ViewAsync()).RunningTurn);

        script.Resume();
        Assert.Equal("abc", World.TextOf(await running));
    });

    [Fact]
    public Task A_retry_with_the_same_id_joins_the_running_turn_from_its_beginning() => World.RunAsync(async world =>
    {
        var script = world.Engine.Next(new Script { Tokens = ByteTokens.Of("abcdef"), PauseAfter = 3 });
        var first = World.ReadAsync(world.Session().RunAsync(World.Request("one", "t1"), CancellationToken.None));
        await script.Paused.Task;
        var second = World.ReadAsync(world.Session().RunAsync(World.Request("one", "t1"), CancellationToken.None));

        script.Resume();

        Assert.Equal(await first, await second);
        Assert.Equal("abcdef", World.TextOf(await second));
        Assert.Single(script.Requests);
        Assert.Equal(1, (await world.ViewAsync()).Turns);
    });

    [Fact]
    public Task The_id_of_the_running_turn_with_another_prompt_is_refused() => World.RunAsync(async world =>
    {
        var script = world.Engine.Next(new Script { Tokens = ByteTokens.Of("abcdef"), PauseAfter = 3 });
        var running = World.ReadAsync(world.Session().RunAsync(World.Request("one", "t1"), CancellationToken.None));
        await script.Paused.Task;

        var refused = await Assert.ThrowsAsync<ClusterException>(
            () => World.ReadAsync(world.Session().RunAsync(World.Request("two", "t1"), CancellationToken.None)));

        Assert.Equal((FailureCode.AlreadyExists, "turn_id"), (refused.Code, refused.Field));
        script.Resume();
        Assert.Equal("abcdef", World.TextOf(await running));
    });

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public Task The_id_of_an_older_turn_replays_it_and_with_another_prompt_is_refused(bool restarted) => World.RunAsync(async world =>
    {
        world.Engine.Next("first");
        var one = await World.ReadAsync(world.Session().RunAsync(World.Request("one", "t1"), CancellationToken.None));
        world.Engine.Next("second");
        await world.RunTurnAsync("two", "t2");
        var head = (await world.ViewAsync()).Head;
        if (restarted)
        {
            await world.RestartAsync();
        }

        var again = await World.ReadAsync(world.Session().RunAsync(World.Request("one", "t1"), CancellationToken.None));
        var refused = await Assert.ThrowsAsync<ClusterException>(
            () => World.ReadAsync(world.Session().RunAsync(World.Request("another", "t1"), CancellationToken.None)));

        Assert.Equal(World.TextOf(one), World.TextOf(again));
        Assert.Equal(one[^1].Finish!.Head, again[^1].Finish!.Head);
        Assert.Equal((FailureCode.AlreadyExists, "turn_id"), (refused.Code, refused.Field));
        Assert.Equal(head, (await world.ViewAsync()).Head);
        Assert.Null((await world.Session().GetHistoryAsync("t1"))!.Head); // what a gateway builds the retry on
        Assert.Equal(one[^1].Finish!.Head, (await world.Session().GetHistoryAsync("t2"))!.Head);
    });

    [Fact]
    public Task A_first_turn_that_fails_leaves_no_session_behind() => World.RunAsync(async world =>
    {
        var tooLong = World.Request(new string('x', 100_000), "t1");

        await Assert.ThrowsAsync<ClusterException>(() => World.ReadAsync(world.Session().RunAsync(tooLong, CancellationToken.None)));
        Assert.Null(await world.Session().GetAsync());

        await world.RunTurnAsync("hello", "t2");
        await Assert.ThrowsAsync<ClusterException>(() => World.ReadAsync(world.Session().RunAsync(tooLong, CancellationToken.None)));
        Assert.Equal(1, (await world.ViewAsync()).Turns);
    });

    [Fact]
    public Task A_reader_that_leaves_does_not_end_the_turn_of_another() => World.RunAsync(async world =>
    {
        var script = world.Engine.Next(new Script { Tokens = ByteTokens.Of("abcdef"), PauseAfter = 3 });
        var staying = World.ReadAsync(world.Session().RunAsync(World.Request("one", "t1"), CancellationToken.None));
        await script.Paused.Task;
        using var leave = new CancellationTokenSource();
        var leaving = World.ReadAsync(world.Session().RunAsync(World.Request("one", "t1"), leave.Token));
        await leave.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => leaving);

        script.Resume();

        Assert.Equal("abcdef", World.TextOf(await staying));
        Assert.Equal("stop", (await world.ViewAsync()).History[0].FinishReason);
    });

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public Task The_id_of_the_last_committed_turn_replays_it(bool restarted) => World.RunAsync(async world =>
    {
        var request = World.Request("hello", "t1");
        world.Engine.Next("hi");
        var first = await World.ReadAsync(world.Session().RunAsync(request, CancellationToken.None));
        if (restarted)
        {
            await world.RestartAsync();
        }

        var computed = world.Engine.PromptTokens;
        var again = await World.ReadAsync(world.Session().RunAsync(request, CancellationToken.None));

        Assert.Equal(World.TokensOf(first), World.TokensOf(again));
        Assert.Equal("hi", World.TextOf(again));
        Assert.Equal(first[^1].Finish!.Head, again[^1].Finish!.Head);
        Assert.Equal(computed, world.Engine.PromptTokens);
        Assert.Equal(1, (await world.ViewAsync()).Turns);
    });

    [Fact]
    public Task A_turn_on_another_head_is_told_that_the_head_has_moved() => World.RunAsync(async world =>
    {
        await world.RunTurnAsync("hello", "t1");
        var stale = await World.NextAsync(world.Session(), "a", "t2");
        await world.RunTurnAsync("b", "t3");

        var moved = await Assert.ThrowsAsync<ClusterException>(() => World.ReadAsync(world.Session().RunAsync(stale, CancellationToken.None)));

        Assert.Equal(FailureCode.HeadMoved, moved.Code);
        Assert.Equal(2, (await world.ViewAsync()).Turns);
    });

    [Fact]
    public Task A_first_turn_that_comes_second_replaces_nothing() => World.RunAsync(async world =>
    {
        var first = World.Request("hello", "t1") with { ExpectNew = true };
        await World.ReadAsync(world.Session().RunAsync(first, CancellationToken.None));

        var moved = await Assert.ThrowsAsync<ClusterException>(() => World.ReadAsync(
            world.Session().RunAsync(World.Request("me too", "t2") with { ExpectNew = true }, CancellationToken.None)));
        var retried = await World.ReadAsync(world.Session().RunAsync(first, CancellationToken.None));

        Assert.Equal(FailureCode.HeadMoved, moved.Code);
        var view = await world.ViewAsync();
        Assert.Equal((1, retried[^1].Finish!.Head), (view.Turns, view.Head));
    });

    [Fact]
    public Task A_session_that_was_rewound_to_its_beginning_takes_a_first_turn() => World.RunAsync(async world =>
    {
        await world.RunTurnAsync("hello", "t1");
        await world.Session().RewindAsync(new RewindRequest(1));

        await World.ReadAsync(world.Session().RunAsync(World.Request("anew", "t2") with { ExpectNew = true }, CancellationToken.None));

        Assert.Equal("anew", (await world.ViewAsync()).History.Single().Messages[0].Content);
    });

    [Fact]
    public Task A_whole_history_builds_on_what_it_shares_with_the_head() => World.RunAsync(async world =>
    {
        await world.RunTurnAsync("hello", "t1");
        var whole = World.Request("hellook", "t2");
        whole = whole with
        {
            Tokens = [.. whole.Tokens, ByteTokens.End, .. ByteTokens.Of("more")],
            Messages = [new("user", "hello"), new("assistant", "ok"), new("user", "more")],
        };

        var events = await World.ReadAsync(world.Session().RunAsync(whole, CancellationToken.None));

        Assert.Equal(new TurnStart(12, 7, StateSource.Device), events[0].Start);
        var view = await world.ViewAsync();
        Assert.Equal(["user: more", "assistant: ok"], view.History[1].Messages.Select(message => $"{message.Role}: {message.Content}"));
        var history = await world.Session().GetHistoryAsync();
        Assert.Equal(["hello", "ok", "more", "ok"], history!.Messages.Select(message => message.Content));
    });

    [Fact]
    public Task A_turn_that_is_not_kept_makes_no_session_but_warms_the_prefix() => World.RunAsync(async world =>
    {
        var request = World.Request(new string('q', 100), "t1") with { KeepSession = false };
        await World.ReadAsync(world.Session("one").RunAsync(request, CancellationToken.None));
        world.Engine.EvictAll();

        var events = await World.ReadAsync(world.Session("two").RunAsync(
            request with { TurnId = "t2", Tokens = [.. request.Tokens, .. ByteTokens.Of("ok"), ByteTokens.End, 65] }, CancellationToken.None));

        Assert.Equal(new TurnStart(104, 102, StateSource.Store), events[0].Start);
        Assert.Null(events[^1].Finish!.Head);
        Assert.Null(await world.Session("one").GetAsync());
        Assert.Null(await world.Session("two").GetAsync());
    });

    [Fact]
    public Task Finishing_by_length_is_said() => World.RunAsync(async world =>
    {
        world.Engine.Next("abcdefgh");
        var events = await World.ReadAsync(world.Session().RunAsync(World.Request("x", "t1") with { MaxTokens = 3 }, CancellationToken.None));

        Assert.Equal("abc", World.TextOf(events));
        Assert.Equal(FinishReason.Length, events[^1].Finish!.Reason);
    });

    [Fact]
    public Task An_asynchronous_turn_ends_before_its_commit_and_the_next_call_waits_for_it() => World.RunAsync(async world =>
    {
        var gate = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        world.Store.Before = name => name == "PutTurnAsync" ? gate.Task : Task.CompletedTask;
        var request = World.Request("hello", "t1") with { Durability = Durability.Async };

        var events = await World.ReadAsync(world.Session().RunAsync(request, CancellationToken.None));
        var history = world.Session().GetHistoryAsync();
        Assert.False(history.IsCompleted);
        gate.SetResult();

        Assert.Equal(events[^1].Finish!.Head, (await history)!.Head);
    });

    [Fact]
    public Task A_first_turn_that_names_a_head_is_refused() => World.RunAsync(async world =>
    {
        await world.RunTurnAsync("hello", "t1");
        var request = await World.NextAsync(world.Session(), "x", "t2") with { ExpectNew = true };

        var refused = await Assert.ThrowsAsync<ClusterException>(() => World.ReadAsync(world.Session().RunAsync(request, CancellationToken.None)));

        Assert.Equal((FailureCode.InvalidRequest, "ExpectNew"), (refused.Code, refused.Field));
    });

    [Theory]
    [InlineData("", "TurnId")]
    [InlineData("t1", "Tokens")]
    public Task What_cannot_be_a_turn_is_refused_by_field(string turnId, string field) => World.RunAsync(async world =>
    {
        var request = World.Request("x", turnId) with { Tokens = [] };
        var refused = await Assert.ThrowsAsync<ClusterException>(() => World.ReadAsync(world.Session().RunAsync(request, CancellationToken.None)));

        Assert.Equal((FailureCode.InvalidRequest, field), (refused.Code, refused.Field));
        Assert.Null(await world.Session().GetAsync());
    });
}
