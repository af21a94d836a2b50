using Microsoft.Extensions.DependencyInjection;
using Orleans.Configuration;
using Orleans.Hosting;
using Orleans.Runtime;

namespace Loire.Actors.Tests;

public sealed class LifeTests
{
    [Fact]
    public async Task A_grain_that_ends_itself_begins_anew_on_the_next_call()
    {
        await using var silo = await TestSilo.StartAsync();
        var grain = silo.Grain<ILifeGrain>("g");
        var first = await grain.Identity();

        await grain.End();
        var second = await grain.Identity();

        Assert.NotEqual(first, second);
        Assert.Equal(["g began", "g ended: ApplicationRequested", "g disposed", "g began"], silo.Board.Notes);
    }

    [Fact]
    public async Task Calls_that_arrive_while_an_activation_ends_go_to_the_next_one_and_none_is_lost()
    {
        await using var silo = await TestSilo.StartAsync();
        var grain = silo.Grain<ILifeGrain>("g");
        var held = grain.Hold("h");
        await silo.Board.Seen("h begins");
        var end = grain.End();
        var calls = Enumerable.Range(0, 100).Select(_ => grain.Identity()).ToArray();

        silo.Board.Open("h may end");
        await Task.WhenAll(held, end).WaitAsync(TestSilo.Patience);

        Assert.Single((await Task.WhenAll(calls).WaitAsync(TestSilo.Patience)).Distinct());
        Assert.Equal(["g began", "h ends", "g ended: ApplicationRequested", "g disposed", "g began"], silo.Board.Notes);
    }

    [Fact]
    public async Task A_failure_to_activate_reaches_all_callers_and_the_next_call_tries_again()
    {
        await using var silo = await TestSilo.StartAsync();
        var grain = silo.Grain<ILifeGrain>("fails");

        var exception = await Assert.ThrowsAsync<InvalidOperationException>(() => grain.Identity());

        Assert.Equal("fails cannot begin", exception.Message);
        Assert.NotEmpty(await grain.Identity());
        Assert.Equal(["fails failed", "fails disposed", "fails began"], silo.Board.Notes);
    }

    [Fact]
    public async Task An_activation_that_hangs_is_given_up_after_its_time()
    {
        await using var silo = await TestSilo.StartAsync(builder => builder.Configure<GrainCollectionOptions>(options => options.ActivationTimeout = TimeSpan.FromSeconds(5)));
        var grain = silo.Grain<ILifeGrain>("hangs");
        var call = grain.Identity();
        await silo.Board.Seen("hangs");

        silo.Time.Advance(TimeSpan.FromSeconds(6));

        var exception = await Assert.ThrowsAsync<TimeoutException>(() => call.WaitAsync(TestSilo.Patience));
        Assert.Contains("life/hangs did not activate within", exception.Message);
        silo.Board.Open("hangs may begin");
        Assert.NotEmpty(await grain.Identity());
    }

    [Fact]
    public async Task An_idle_grain_ends_after_its_age_limit_and_not_before()
    {
        await using var silo = await TestSilo.StartAsync();
        var grain = silo.Grain<ILifeGrain>("g");
        await grain.Identity();

        silo.Time.Advance(TimeSpan.FromMinutes(1.5));
        Assert.Equal(1, silo.Runtime.Audit().Activations);
        await grain.Identity();
        silo.Time.Advance(TimeSpan.FromMinutes(1));
        Assert.Equal(1, silo.Runtime.Audit().Activations);
        silo.Time.Advance(TimeSpan.FromMinutes(2));

        await silo.Board.Seen("g ended");
        Assert.Contains("g ended: ActivationIdle", silo.Board.Notes);
        await silo.EndedAsync(grain);
    }

    [Fact]
    public async Task A_grain_that_delays_its_end_outlives_its_age_limit()
    {
        await using var silo = await TestSilo.StartAsync();
        var grain = silo.Grain<ILifeGrain>("g");
        await grain.Keep(TimeSpan.FromMinutes(10));

        silo.Time.Advance(TimeSpan.FromMinutes(9));
        Assert.Equal(1, silo.Runtime.Audit().Activations);
        silo.Time.Advance(TimeSpan.FromMinutes(3));

        await silo.Board.Seen("g ended");
    }

    [Fact]
    public async Task A_grain_that_is_kept_alive_is_never_idle()
    {
        await using var silo = await TestSilo.StartAsync();
        await silo.Grain<IKeptGrain>().Ping();

        silo.Time.Advance(TimeSpan.FromHours(5));

        Assert.Equal(1, silo.Runtime.Audit().Activations);
    }

    [Fact]
    public async Task A_grain_with_a_running_call_is_not_idle()
    {
        await using var silo = await TestSilo.StartAsync();
        var held = silo.Grain<ILifeGrain>("g").Hold("h");
        await silo.Board.Seen("h begins");

        silo.Time.Advance(TimeSpan.FromMinutes(10));

        await Assert.ThrowsAsync<TimeoutException>(() => held);
        Assert.Equal(["g began"], silo.Board.Notes);
        silo.Board.Open("h may end");
    }

    [Fact]
    public async Task A_timer_ticks_when_due_and_then_with_its_period_and_ends_with_its_grain()
    {
        await using var silo = await TestSilo.StartAsync();
        var grain = silo.Grain<ILifeGrain>("g");
        await grain.StartTimer(TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(2), interleave: false, keepAlive: false);

        silo.Time.Advance(TimeSpan.FromSeconds(1));
        await silo.Board.Seen("tick 1");
        await grain.Identity();
        silo.Time.Advance(TimeSpan.FromSeconds(1.5));
        Assert.DoesNotContain("tick 2", silo.Board.Notes);
        silo.Time.Advance(TimeSpan.FromSeconds(0.5));
        await silo.Board.Seen("tick 2");

        await grain.End();
        await silo.Board.Seen("g ended");
        silo.Time.Advance(TimeSpan.FromSeconds(10));
        Assert.DoesNotContain("tick 3", silo.Board.Notes);
    }

    [Fact]
    public async Task A_tick_waits_for_the_running_call_unless_it_may_interleave()
    {
        await using var silo = await TestSilo.StartAsync();
        var waits = silo.Grain<ILifeGrain>("waits");
        await waits.StartTimer(TimeSpan.FromSeconds(1), Timeout.InfiniteTimeSpan, interleave: false, keepAlive: false);
        var held = waits.Hold("h");
        await silo.Board.Seen("h begins");

        silo.Time.Advance(TimeSpan.FromSeconds(1));
        Assert.DoesNotContain("tick 1", silo.Board.Notes);
        silo.Board.Open("h may end");
        await silo.Board.Seen("tick 1");
        await held;
        Assert.Equal(["waits began", "h ends", "tick 1"], silo.Board.Notes);
    }

    [Fact]
    public async Task An_interleaving_tick_runs_while_a_call_awaits()
    {
        await using var silo = await TestSilo.StartAsync();
        var grain = silo.Grain<ILifeGrain>("g");
        await grain.StartTimer(TimeSpan.FromSeconds(1), Timeout.InfiniteTimeSpan, interleave: true, keepAlive: false);
        var held = grain.Hold("h");
        await silo.Board.Seen("h begins");

        silo.Time.Advance(TimeSpan.FromSeconds(1));
        await silo.Board.Seen("tick 1");

        silo.Board.Open("h may end");
        await held;
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_timer_keeps_its_grain_alive_only_when_it_says_so(bool keepAlive)
    {
        await using var silo = await TestSilo.StartAsync();
        var grain = silo.Grain<ILifeGrain>("g");
        await grain.StartTimer(TimeSpan.FromSeconds(30), TimeSpan.FromSeconds(30), interleave: false, keepAlive);

        for (var tick = 1; tick <= 7; tick++)
        {
            silo.Time.Advance(TimeSpan.FromSeconds(30));
            await silo.SettledAsync();
        }

        Assert.Equal(keepAlive, !silo.Board.Notes.Contains("g ended: ActivationIdle"));
    }

    [Fact]
    public async Task A_grain_that_moves_takes_its_values_along()
    {
        await using var silo = await TestSilo.StartAsync();
        var grain = silo.Grain<ILifeGrain>("g");
        await grain.Count();
        await grain.Count();
        var before = await grain.Identity();

        await grain.Move(silo.Runtime.Address);

        Assert.Equal(3, await grain.Count());
        Assert.NotEqual(before, await grain.Identity());
        Assert.Equal(["g began", "g ended: Migrating", "g disposed", "g began"], silo.Board.Notes);
    }

    [Fact]
    public async Task Calls_during_a_move_see_the_values_and_none_is_lost()
    {
        await using var silo = await TestSilo.StartAsync();
        var grain = silo.Grain<ILifeGrain>("g");
        var held = grain.Hold("h");
        await silo.Board.Seen("h begins");
        var move = grain.Move(null);
        var counts = Enumerable.Range(0, 50).Select(_ => grain.Count()).ToArray();

        silo.Board.Open("h may end");
        await Task.WhenAll(held, move);

        Assert.Equal(Enumerable.Range(1, 50), await Task.WhenAll(counts).WaitAsync(TestSilo.Patience));
    }

    [Fact]
    public async Task Stopping_the_silo_lets_running_calls_finish_and_ends_every_grain()
    {
        await using var silo = await TestSilo.StartAsync();
        await silo.Grain<ILifeGrain>("idle").Identity();
        var held = silo.Grain<ILifeGrain>("busy").Hold("h");
        await silo.Board.Seen("h begins");

        var stop = silo.StopAsync();
        await silo.Board.Seen("idle ended");
        Assert.False(stop.IsCompleted);
        silo.Board.Open("h may end");
        await stop;
        await held;

        Assert.Contains("busy ended: ShuttingDown", silo.Board.Notes);
        Assert.Contains("idle ended: ShuttingDown", silo.Board.Notes);
        await Assert.ThrowsAsync<SiloUnavailableException>(() => silo.Grain<ILifeGrain>("late").Identity());
    }

    [Fact]
    public async Task Stopping_the_silo_does_not_wait_for_ever_for_a_call()
    {
        await using var silo = await TestSilo.StartAsync();
        var held = silo.Grain<ILifeGrain>("busy").Hold("h");
        await silo.Board.Seen("h begins");

        var stop = silo.StopAsync();
        silo.Time.Advance(TimeSpan.FromSeconds(31));
        await stop;

        await Assert.ThrowsAsync<TimeoutException>(() => held);
        silo.Board.Open("h may end");
        while (silo.Runtime.Audit().Activations > 0)
        {
            await Task.Yield();
        }
    }

    [Fact]
    public async Task A_participant_of_the_silos_life_starts_and_stops_in_its_stage()
    {
        var stages = new List<string>();
        await using (var silo = await TestSilo.StartAsync(builder =>
            builder.Services.AddSingleton<Orleans.ILifecycleParticipant<ISiloLifecycle>>(new Participant(stages))))
        {
            await silo.Grain<ILifeGrain>("g").Identity();
        }

        Assert.Equal(["start 5000", "start 20000", "stop 20000", "stop 5000"], stages);
    }

    private sealed class Participant(List<string> stages) : Orleans.ILifecycleParticipant<ISiloLifecycle>
    {
        public void Participate(ISiloLifecycle lifecycle)
        {
            foreach (var stage in new[] { Orleans.ServiceLifecycleStage.Active, 5000 })
            {
                Orleans.LifecycleExtensions.Subscribe(lifecycle, "test", stage, _ => Add($"start {stage}"), _ => Add($"stop {stage}"));
            }
        }

        private Task Add(string text)
        {
            stages.Add(text);
            return Task.CompletedTask;
        }
    }
}
