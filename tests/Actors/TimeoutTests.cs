using Orleans.Configuration;
using Orleans.Hosting;

namespace Loire.Actors.Tests;

public sealed class TimeoutTests
{
    [Fact]
    public async Task A_call_that_is_not_answered_fails_after_thirty_seconds_and_says_what_it_waited_for()
    {
        await using var silo = await TestSilo.StartAsync();
        var grain = silo.Grain<ICallGrain>();
        var held = grain.Hold("held");
        await silo.Board.Seen("held begins");
        var waiting = grain.Add(1, 1);

        silo.Time.Advance(TimeSpan.FromSeconds(29.5));
        Assert.False(waiting.IsCompleted);
        silo.Time.Advance(TimeSpan.FromSeconds(1));

        await Assert.ThrowsAsync<TimeoutException>(() => held);
        var exception = await Assert.ThrowsAsync<TimeoutException>(() => waiting);
        Assert.Contains("call/one is busy with Hold", exception.Message);
        silo.Board.Open("held may end");
        Assert.Equal(4, await grain.Add(2, 2).WaitAsync(TestSilo.Patience));
    }

    [Fact]
    public async Task A_method_can_have_a_timeout_of_its_own()
    {
        await using var silo = await TestSilo.StartAsync();
        var call = silo.Grain<ICallGrain>().Impatient("never");
        silo.Time.Advance(TimeSpan.FromSeconds(1.8));
        Assert.False(call.IsCompleted);

        silo.Time.Advance(TimeSpan.FromSeconds(0.4));

        await Assert.ThrowsAsync<TimeoutException>(() => call);
        silo.Board.Open("never");
    }

    [Fact]
    public async Task The_token_of_a_caller_reaches_the_grain_and_is_cancelled_on_its_scheduler()
    {
        await using var silo = await TestSilo.StartAsync();
        using var cancellation = new CancellationTokenSource();
        var call = silo.Grain<ICallGrain>().HoldUntilCancelled("c", cancellation.Token);
        await silo.Board.Seen("c holds");

        await cancellation.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => call);
        await silo.Board.Seen("c was cancelled");
        Assert.Equal(["on the grain's scheduler"], silo.Board.Notes);
    }

    [Fact]
    public async Task A_call_that_is_cancelled_while_it_waits_never_starts()
    {
        await using var silo = await TestSilo.StartAsync();
        var grain = silo.Grain<ICallGrain>();
        var held = grain.Hold("held");
        await silo.Board.Seen("held begins");
        using var cancellation = new CancellationTokenSource();
        var waiting = grain.HoldUntilCancelled("c", cancellation.Token);

        await cancellation.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting);

        silo.Board.Open("held may end");
        await held;
        Assert.Equal(2, await grain.Add(1, 1));
        Assert.False(silo.Board.Passed("c holds").IsCompleted);
    }

    [Fact]
    public async Task A_call_with_a_token_that_is_cancelled_already_is_not_sent()
    {
        await using var silo = await TestSilo.StartAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(
            () => silo.Grain<ICallGrain>().HoldUntilCancelled("c", new CancellationToken(canceled: true)));

        Assert.Equal(0, silo.Runtime.Audit().Activations);
    }

    [Fact]
    public async Task A_timeout_cancels_the_grains_token_when_the_silo_says_so()
    {
        await using var silo = await TestSilo.StartAsync(builder => builder.Configure<SiloMessagingOptions>(options => options.CancelRequestOnTimeout = true));
        using var cancellation = new CancellationTokenSource();
        var call = silo.Grain<ICallGrain>().HoldUntilCancelled("c", cancellation.Token);
        await silo.Board.Seen("c holds");

        silo.Time.Advance(TimeSpan.FromSeconds(31));

        await Assert.ThrowsAsync<TimeoutException>(() => call);
        await silo.Board.Seen("c was cancelled");
    }
}
