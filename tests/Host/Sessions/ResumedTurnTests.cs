using Loire.Contracts;

namespace Loire.Host.Tests;

/// <summary>A turn whose silo is lost goes on elsewhere, after the tokens that its caller has.</summary>
public sealed class ResumedTurnTests
{
    private static readonly string[] Stop = ["stop"];

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(3)]
    [InlineData(6)]
    public Task It_gives_the_rest_and_is_committed_as_if_nothing_had_happened(int delivered) => World.RunAsync(async world =>
    {
        var script = world.Engine.Next(new Script { Tokens = ByteTokens.Of("abcdefgh"), PauseAfter = 6 });
        var request = World.Request("hello", "t1");
        using var lost = new CancellationTokenSource();
        var stale = World.ReadAsync(world.Session().RunAsync(request, lost.Token));
        await script.Paused.Task;

        world.Engine.Next(new Script { Tokens = [.. ByteTokens.Of("abcdefgh"[delivered..]), ByteTokens.End] });
        var events = await World.ReadAsync(world.Activate().RunAsync(
            request with { Delivered = [.. ByteTokens.Of("abcdefgh"[..delivered])] }, CancellationToken.None));

        Assert.Equal("abcdefgh"[delivered..], World.TextOf(events));
        Assert.Equal((5, 9), (events[0].Start!.PromptTokens, events[^1].Finish!.GeneratedTokens));
        var view = await world.Activate().GetAsync();
        Assert.Equal(["hello", "abcdefgh"], view!.History.Single().Messages.Select(message => message.Content));
        Assert.Equal(1, view.Turns);
        await lost.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => stale);
    });

    [Fact]
    public Task The_activation_that_was_thought_dead_cannot_commit_it_a_second_time() => World.RunAsync(async world =>
    {
        var script = world.Engine.Next(new Script { Tokens = ByteTokens.Of("abc"), PauseAfter = 2 });
        var request = World.Request("hello", "t1");
        var stale = World.ReadAsync(world.Session().RunAsync(request, CancellationToken.None));
        await script.Paused.Task;
        world.Engine.Next(new Script { Tokens = [.. ByteTokens.Of("c"), ByteTokens.End] });
        var events = await World.ReadAsync(world.Activate().RunAsync(request with { Delivered = [.. ByteTokens.Of("ab")] }, CancellationToken.None));

        script.Resume();

        Assert.Equal(FailureCode.StaleEpoch, (await Assert.ThrowsAsync<ClusterException>(() => stale)).Code);
        Assert.Equal(events[^1].Finish!.Head, (await world.Activate().GetAsync())!.Head);
    });

    [Theory]
    [InlineData("abc", 3, "length")]
    [InlineData("abstop", 100, "stop")]
    public Task A_turn_that_lacks_only_its_end_is_committed_without_computing(string answer, int maxTokens, string reason) => World.RunAsync(async world =>
    {
        var request = World.Request("hello", "t1") with { MaxTokens = maxTokens, Stop = [.. Stop], Delivered = [.. ByteTokens.Of(answer)] };

        var events = await World.ReadAsync(world.Session().RunAsync(request, CancellationToken.None));

        Assert.Equal("", World.TextOf(events));
        Assert.Empty(World.TokensOf(events));
        var turn = (await world.ViewAsync()).History.Single();
        Assert.Equal((reason, answer.Replace("stop", "", StringComparison.Ordinal)), (turn.FinishReason, turn.Messages[^1].Content));
        Assert.Equal(0, world.Engine.PromptTokens);
        Assert.Equal(3, (await world.RunTurnAsync("again", "t2"))[^1].Finish!.GeneratedTokens);
    });

    [Fact]
    public Task A_stop_string_across_the_cut_is_found_and_text_that_was_held_back_comes_once() => World.RunAsync(async world =>
    {
        world.Engine.Next(new Script { Tokens = ByteTokens.Of("op and more") });
        var request = World.Request("hello", "t1") with { Stop = [.. Stop], Delivered = [.. ByteTokens.Of("we st")] };

        var events = await World.ReadAsync(world.Session().RunAsync(request, CancellationToken.None));

        Assert.Equal("", World.TextOf(events)); // "we " was passed on before, "stop" never is
        Assert.Equal("we ", (await world.ViewAsync()).History.Single().Messages[^1].Content);
    });

    [Fact]
    public Task A_committed_turn_whose_end_was_not_seen_is_told_from_where_it_was_lost() => World.RunAsync(async world =>
    {
        world.Engine.Next("abcdef");
        var request = World.Request("hello", "t1");
        var first = await World.ReadAsync(world.Session().RunAsync(request, CancellationToken.None));

        var again = await World.ReadAsync(world.Activate().RunAsync(request with { Delivered = [.. ByteTokens.Of("abc")] }, CancellationToken.None));

        Assert.Equal("def", World.TextOf(again));
        Assert.Equal(World.TokensOf(first)[3..], World.TokensOf(again));
        Assert.Equal(first[^1].Finish!.Head, again[^1].Finish!.Head);
    });

    [Theory]
    [InlineData(0)]
    [InlineData(2)]
    [InlineData(4)]
    public Task Joining_a_resumed_turn_gives_each_reader_what_it_lacks(int delivered) => World.RunAsync(async world =>
    {
        var script = world.Engine.Next(new Script { Tokens = ByteTokens.Of("defgh"), PauseAfter = 2 });
        var request = World.Request("hello", "t1");
        var one = World.ReadAsync(world.Session().RunAsync(request with { Delivered = [.. ByteTokens.Of("abc")] }, CancellationToken.None));
        await script.Paused.Task;
        var two = World.ReadAsync(world.Session().RunAsync(
            request with { Delivered = [.. ByteTokens.Of("abcdefgh"[..delivered])] }, CancellationToken.None));

        script.Resume();

        Assert.Equal("defgh", World.TextOf(await one));
        Assert.Equal("abcdefgh"[delivered..], World.TextOf(await two));
    });

    [Fact]
    public Task Tokens_that_are_not_those_of_the_turn_are_never_papered_over() => World.RunAsync(async world =>
    {
        world.Engine.Next("abcdef");
        var request = World.Request("hello", "t1");
        await World.ReadAsync(world.Session().RunAsync(request, CancellationToken.None));

        var failed = await Assert.ThrowsAsync<ClusterException>(
            () => World.ReadAsync(world.Session().RunAsync(request with { Delivered = [.. ByteTokens.Of("abX")] }, CancellationToken.None)));

        Assert.Equal(FailureCode.Internal, failed.Code);
        Assert.Contains("token 2", failed.Message);
    });

    [Fact]
    public Task A_session_that_leaves_passes_on_what_is_generated_and_its_state_is_that_of_what_was_passed_on() => World.RunAsync(async world =>
    {
        var script = world.Engine.Next(new Script { Tokens = ByteTokens.Of("abcdefgh"), PauseAfter = 5 });
        var request = World.Request("hello", "t1");
        var told = new List<TurnEvent>();
        var reading = Assert.ThrowsAsync<ClusterException>(async () =>
        {
            await foreach (var item in world.Session().RunAsync(request, CancellationToken.None))
            {
                told.Add(item);
            }
        });
        await script.Paused.Task;

        Assert.True((await world.Session().LeaveAsync()).WasRunning);

        Assert.Equal(FailureCode.SessionMoved, (await reading).Code);
        Assert.Equal(FailureCode.SessionMoved, (await Assert.ThrowsAsync<ClusterException>(
            () => World.ReadAsync(world.Session().RunAsync(World.Request("more", "t2"), CancellationToken.None)))).Code);
        var delivered = World.TokensOf(told);
        world.Engine.EvictAll();
        world.Engine.Next(new Script { Tokens = [.. ByteTokens.Of("abcdefgh"[delivered.Length..]), ByteTokens.End] });
        var rest = await World.ReadAsync(world.Activate().RunAsync(request with { Delivered = [.. delivered] }, CancellationToken.None));

        Assert.Equal("abcde", World.TextOf(told));
        Assert.Equal("fgh", World.TextOf(rest));
        Assert.Equal(StateSource.Store, rest[0].Start!.Source);
        Assert.Equal(5 + 5 - 1, world.Engine.Restored[^1]); // prompt and answer but the last token, which no step has seen
    });

    [Fact]
    public Task A_turn_that_keeps_no_session_goes_on_too() => World.RunAsync(async world =>
    {
        world.Engine.Next("def");
        var request = World.Request("hello", "t1") with { KeepSession = false, Delivered = [.. ByteTokens.Of("abc")] };

        var events = await World.ReadAsync(world.Session().RunAsync(request, CancellationToken.None));

        Assert.Equal("def", World.TextOf(events));
        Assert.Equal(7, events[^1].Finish!.GeneratedTokens);
    });
}
