using Loire.Contracts;

namespace Loire.Host.Tests;

public sealed class BranchTests
{
    [Fact]
    public Task Rewinding_past_a_history_that_was_replaced_brings_back_what_it_replaced() => World.RunAsync(async world =>
    {
        await world.RunTurnAsync("hello", "t1");
        await World.ReadAsync(world.Session().RunAsync(World.Request("help", "t2"), CancellationToken.None)); // a whole history: "hel" stays
        await world.RunTurnAsync("more", "t3");

        await world.Session().RewindAsync(new RewindRequest(1));
        var replaced = await world.Session().GetHistoryAsync();
        await world.Session().RewindAsync(new RewindRequest(1));
        var original = await world.Session().GetHistoryAsync();

        Assert.Equal(["help", "ok"], Contents(replaced));
        Assert.Equal([.. ByteTokens.Of("helpok"), ByteTokens.End], replaced!.Tokens.ToArray());
        Assert.Equal(["hello", "ok"], Contents(original));
        Assert.Equal([.. ByteTokens.Of("hellook"), ByteTokens.End], original!.Tokens.ToArray());

        static string[] Contents(SessionHistory? history) => [.. history!.Messages.Select(message => message.Content)];
    });

    [Fact]
    public Task A_fork_begins_at_the_head_and_neither_sees_the_other() => World.RunAsync(async world =>
    {
        await world.RunTurnAsync("hello", "t1");
        var fork = await world.Session().ForkAsync(new ForkRequest("branch"));
        Assert.Equal(("branch", "chat", 1), (fork.Id, fork.ForkedFrom, fork.Turns));

        world.Engine.Next("left");
        await world.RunTurnAsync("A", "t2");
        world.Engine.Next("right");
        var events = await world.RunTurnAsync("B", "t2", "branch");

        Assert.Equal(new TurnStart(9, 7, StateSource.Store), events[0].Start); // the other branch took the state that was on the device
        Assert.Equal(["hello", "ok", "A", "left"], (await world.Session().GetHistoryAsync())!.Messages.Select(message => message.Content));
        Assert.Equal(["hello", "ok", "B", "right"], (await world.Session("branch").GetHistoryAsync())!.Messages.Select(message => message.Content));
    });

    [Fact]
    public Task A_fork_may_begin_at_an_earlier_turn_and_while_a_turn_runs() => World.RunAsync(async world =>
    {
        await world.RunTurnAsync("one", "t1");
        var first = (await world.ViewAsync()).Head;
        await world.RunTurnAsync("two", "t2");
        var script = world.Engine.Next(new Script { Tokens = ByteTokens.Of("abc"), PauseAfter = 1 });
        var running = world.RunTurnAsync("three", "t3");
        await script.Paused.Task;

        var fork = await world.Session().ForkAsync(new ForkRequest("early", first));

        Assert.Equal((first, 1), (fork.Head, fork.Turns));
        script.Resume();
        await running;
        Assert.Equal(1, (await world.ViewAsync("early")).Turns);
        Assert.Equal(3, (await world.ViewAsync()).Turns);
    });

    [Fact]
    public Task A_name_that_is_taken_or_odd_is_refused() => World.RunAsync(async world =>
    {
        await world.RunTurnAsync("one", "t1");
        await world.RunTurnAsync("two", "t1", "other");

        Assert.Equal(FailureCode.AlreadyExists, (await Assert.ThrowsAsync<ClusterException>(() => world.Session().ForkAsync(new ForkRequest("other")))).Code);
        Assert.Equal(FailureCode.InvalidRequest, (await Assert.ThrowsAsync<ClusterException>(() => world.Session().ForkAsync(new ForkRequest("../x")))).Code);
        Assert.Equal(FailureCode.NotFound, (await Assert.ThrowsAsync<ClusterException>(() => world.Session().ForkAsync(new ForkRequest("new", new string('0', 64))))).Code);
        Assert.Equal(FailureCode.NotFound, (await Assert.ThrowsAsync<ClusterException>(() => world.Session("nobody").ForkAsync(new ForkRequest("new")))).Code);
    });

    [Fact]
    public Task Rewinding_takes_turns_back_and_the_next_turn_goes_on_from_there() => World.RunAsync(async world =>
    {
        await world.RunTurnAsync("one", "t1");
        var first = await world.ViewAsync();
        await world.RunTurnAsync("two", "t2");

        var rewound = await world.Session().RewindAsync(new RewindRequest(Turns: 1));

        Assert.Equal((first.Head, 1), (rewound.Head, rewound.Turns));
        Assert.True(rewound.Epoch > first.Epoch);
        var events = await world.RunTurnAsync("three", "t3");
        Assert.Equal(new TurnStart(11, 5, StateSource.Store), events[0].Start); // the newest state on the device is past it
        Assert.Equal(["one", "ok", "three", "ok"], (await world.Session().GetHistoryAsync())!.Messages.Select(message => message.Content));
        await world.RestartAsync();
        Assert.Equal(2, (await world.ViewAsync()).Turns);
    });

    [Fact]
    public Task Rewinding_all_turns_empties_the_session() => World.RunAsync(async world =>
    {
        await world.RunTurnAsync("one", "t1");
        await world.RunTurnAsync("two", "t2");

        Assert.Equal(0, (await world.Session().RewindAsync(new RewindRequest(Turns: 2))).Turns);
        Assert.Empty((await world.Session().GetHistoryAsync())!.Tokens);
        Assert.Equal("ok", World.TextOf(await world.RunTurnAsync("one", "t3")));
    });

    [Fact]
    public Task Rewinding_to_a_turn_names_it() => World.RunAsync(async world =>
    {
        await world.RunTurnAsync("one", "t1");
        var first = (await world.ViewAsync()).Head;
        await world.RunTurnAsync("two", "t2");
        await world.RunTurnAsync("three", "t3");

        Assert.Equal(first, (await world.Session().RewindAsync(new RewindRequest(To: first))).Head);
        Assert.Equal(FailureCode.InvalidRequest, (await Assert.ThrowsAsync<ClusterException>(() => world.Session().RewindAsync(new RewindRequest(Turns: 5)))).Code);
        Assert.Equal(FailureCode.InvalidRequest, (await Assert.ThrowsAsync<ClusterException>(() => world.Session().RewindAsync(new RewindRequest(1, first)))).Code);
    });

    [Fact]
    public Task A_deleted_session_is_gone_and_its_name_is_free() => World.RunAsync(async world =>
    {
        await world.RunTurnAsync("one", "t1");

        Assert.True(await world.Session().DeleteAsync());
        Assert.False(await world.Session().DeleteAsync());

        Assert.Null(await world.Session().GetAsync());
        Assert.Equal(0, world.Engine.Load.SlotsInUse);
        await world.RunTurnAsync("two", "t1");
        Assert.Equal("two", (await world.ViewAsync()).History[0].Messages[0].Content);
    });
}
