using Orleans.Configuration;
using Orleans.Hosting;
using Orleans.Runtime;

namespace Loire.Actors.Tests;

public sealed class TurnTests
{
    [Fact]
    public async Task A_call_waits_until_the_one_before_it_has_ended()
    {
        await using var silo = await TestSilo.StartAsync();
        var grain = silo.Grain<ICallGrain>();
        var first = grain.Hold("first");
        await silo.Board.Seen("first begins");
        var second = grain.Hold("second");

        silo.Board.Open("second may end");
        silo.Board.Open("first may end");
        await Task.WhenAll(first, second).WaitAsync(TestSilo.Patience);

        Assert.Equal(["first begins", "first ends", "second begins", "second ends"], silo.Board.Notes);
    }

    [Fact]
    public async Task Every_await_comes_back_to_the_grains_own_scheduler()
    {
        await using var silo = await TestSilo.StartAsync();

        Assert.True(await silo.Grain<ICallGrain>().ComesBack());
    }

    [Fact]
    public async Task Read_only_calls_run_together_and_a_writer_waits_for_them()
    {
        await using var silo = await TestSilo.StartAsync();
        var grain = silo.Grain<ICallGrain>();
        var reads = new[] { grain.Read("r1"), grain.Read("r2") };
        await silo.Board.Seen("r1 begins");
        await silo.Board.Seen("r2 begins");
        var write = grain.Hold("w");

        silo.Board.Open("w may end");
        silo.Board.Open("r1 may end");
        await reads[0];
        Assert.DoesNotContain("w begins", silo.Board.Notes);
        silo.Board.Open("r2 may end");

        await write.WaitAsync(TestSilo.Patience);
        Assert.Equal(["r2 ends", "w begins"], silo.Board.Notes.SkipWhile(note => note != "r2 ends").Take(2));
    }

    [Fact]
    public async Task Readers_that_wait_behind_a_writer_all_start_when_it_ends()
    {
        await using var silo = await TestSilo.StartAsync();
        var grain = silo.Grain<ICallGrain>();
        var write = grain.Hold("w");
        await silo.Board.Seen("w begins");
        var reads = new[] { grain.Read("r1"), grain.Read("r2") };

        silo.Board.Open("w may end");

        await silo.Board.Seen("r1 begins");
        await silo.Board.Seen("r2 begins");
        silo.Board.Open("r1 may end");
        silo.Board.Open("r2 may end");
        await Task.WhenAll([write, .. reads]).WaitAsync(TestSilo.Patience);
    }

    [Fact]
    public async Task An_interleaving_call_starts_while_another_awaits()
    {
        await using var silo = await TestSilo.StartAsync();
        var grain = silo.Grain<ICallGrain>();
        var held = grain.Hold("held");
        await silo.Board.Seen("held begins");

        silo.Board.Open("i may end");
        Assert.Equal("i", await grain.Interleave("i").WaitAsync(TestSilo.Patience));

        silo.Board.Open("held may end");
        await held;
    }

    [Fact]
    public async Task All_calls_of_a_reentrant_grain_interleave()
    {
        await using var silo = await TestSilo.StartAsync();
        var grain = silo.Grain<IReentrantGrain>();
        var calls = new[] { grain.Hold("a"), grain.Hold("b") };

        await silo.Board.Seen("a begins");
        await silo.Board.Seen("b begins");

        silo.Board.Open("a may end");
        silo.Board.Open("b may end");
        await Task.WhenAll(calls);
    }

    [Fact]
    public async Task A_stateless_worker_has_as_many_activations_as_it_may_and_no_more()
    {
        await using var silo = await TestSilo.StartAsync();
        var grain = silo.Grain<IWorkerGrain>();
        var calls = new[] { grain.Hold("a"), grain.Hold("b"), grain.Hold("c") };
        await silo.Board.Seen("a begins");
        await silo.Board.Seen("b begins");
        Assert.Equal(2, silo.Runtime.Audit().Activations);

        foreach (var name in new[] { "a", "b", "c" })
        {
            silo.Board.Open($"{name} may end");
        }

        Assert.Equal(2, (await Task.WhenAll(calls).WaitAsync(TestSilo.Patience)).Distinct().Count());
    }

    [Fact]
    public async Task A_grain_that_blocks_its_thread_does_not_keep_others_from_answering()
    {
        await using var silo = await TestSilo.StartAsync();
        var blocked = silo.Grain<ICallGrain>("blocked").Block("blocks");
        await silo.Board.Seen("blocks");

        for (var index = 0; index < 50; index++)
        {
            Assert.Equal(index, await silo.Grain<ICallGrain>($"other {index}").Add(index, 0).WaitAsync(TestSilo.Patience));
        }

        CallGrain.Unblock();
        await blocked;
    }

    [Fact]
    public async Task A_call_beyond_the_mailboxs_bound_is_refused_and_the_ones_before_it_are_not()
    {
        await using var silo = await TestSilo.StartAsync(builder => builder.Configure<SiloMessagingOptions>(options => options.MaxEnqueuedRequestsHardLimit = 3));
        var grain = silo.Grain<ICallGrain>();
        var held = grain.Hold("held");
        await silo.Board.Seen("held begins");
        var waiting = Enumerable.Range(0, 3).Select(index => grain.Add(index, 0)).ToArray();

        var exception = await Assert.ThrowsAsync<LimitExceededException>(() => grain.Add(0, 0));

        Assert.Contains("call/one", exception.Message);
        silo.Board.Open("held may end");
        var answers = await Task.WhenAll(waiting);
        Assert.Equal([0, 1, 2], answers);
        await held;
    }

    [Fact]
    public async Task A_call_that_comes_back_into_its_chain_deadlocks_and_the_timeout_names_the_chain()
    {
        await using var silo = await TestSilo.StartAsync();
        var call = silo.Grain<ICallGrain>("a").CallBack("b", allow: false);

        while (!call.IsCompleted)
        {
            silo.Time.Advance(TimeSpan.FromSeconds(1));
            await Task.Yield();
        }

        var exception = await Assert.ThrowsAsync<TimeoutException>(() => call);
        Assert.Contains("client -> call/a.CallBack", exception.Message);
        await silo.QuietAsync();
    }

    [Fact]
    public async Task A_call_that_comes_back_gets_in_when_its_chain_is_allowed_to()
    {
        await using var silo = await TestSilo.StartAsync();

        Assert.Equal("a", await silo.Grain<ICallGrain>("a").CallBack("b", allow: true).WaitAsync(TestSilo.Patience));
    }
}
