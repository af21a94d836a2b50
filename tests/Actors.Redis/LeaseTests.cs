using System.Net;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Orleans.Runtime;

namespace Loire.Actors.Redis.Tests;

/// <summary>What a silo knows of its lease, by a clock that the test turns.</summary>
public sealed class LeaseTests : IDisposable
{
    private readonly TurnedClock _clock = new();
    private readonly MemberLease _lease;

    public LeaseTests() => _lease = new(Options.Create(new RedisLeaseOptions { Lease = TimeSpan.FromSeconds(10), FenceMargin = 0.2 }), new Local(), _clock, new LoggerFactory());

    [Fact]
    public void It_is_held_from_when_it_was_asked_for_until_its_margin_begins()
    {
        Assert.False(_lease.IsHeld);
        var asked = _clock.GetTimestamp();
        _clock.Turn(3);
        _lease.Begin(7, asked);
        Assert.True(_lease.IsHeld);
        Assert.Equal(7, _lease.Epoch);

        _clock.Turn(4.9);
        Assert.True(_lease.IsHeld);
        _clock.Turn(0.2);
        Assert.False(_lease.IsHeld);
        Assert.Contains("8100 ms ago", _lease.LostReason, StringComparison.Ordinal);
    }

    [Fact]
    public void A_renewal_counts_from_when_it_was_asked_for_and_an_older_one_takes_nothing_back()
    {
        _lease.Begin(1, _clock.GetTimestamp());
        _clock.Turn(1);
        var first = _clock.GetTimestamp();
        _clock.Turn(3);
        var second = _clock.GetTimestamp();
        _clock.Turn(3);
        _lease.Extend(second); // its answer came first
        _lease.Extend(first);
        _clock.Turn(4.9); // 7.9 s after the second was asked for
        Assert.True(_lease.IsHeld);
        _clock.Turn(0.2);
        Assert.False(_lease.IsHeld);
    }

    [Fact]
    public async Task Once_lost_it_stays_lost_though_a_late_renewal_succeeds()
    {
        _lease.Begin(1, _clock.GetTimestamp());
        var lost = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        using var registration = _lease.Lost.Register(lost.SetResult);
        _clock.Turn(7);
        var asked = _clock.GetTimestamp();
        _clock.Turn(2);

        _lease.Extend(asked); // frozen between asking and hearing

        Assert.False(_lease.IsHeld);
        await lost.Task.WaitAsync(TimeSpan.FromSeconds(30));
        _lease.Extend(_clock.GetTimestamp());
        Assert.False(_lease.IsHeld);
    }

    [Fact]
    public async Task A_fence_that_comes_early_comes_again_so_that_the_end_is_told_though_nobody_asks()
    {
        _lease.Begin(1, _clock.GetTimestamp());
        var lost = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        using var registration = _lease.Lost.Register(lost.SetResult);
        _clock.Turn(7.9995);

        _clock.Fence.Fire();

        Assert.False(_lease.Lost.IsCancellationRequested);
        Assert.Equal(TimeSpan.FromMilliseconds(1), _clock.Fence.Due);
        _clock.Turn(0.001);
        _clock.Fence.Fire();
        await lost.Task.WaitAsync(TimeSpan.FromSeconds(30));
    }

    [Fact]
    public void One_that_leaves_holds_nothing_and_has_lost_nothing()
    {
        _lease.Begin(1, _clock.GetTimestamp());
        _lease.Leave();
        _clock.Turn(20);

        Assert.False(_lease.IsHeld);
        Assert.False(_lease.Lost.IsCancellationRequested);
        Assert.Null(_lease.LostReason);
    }

    public void Dispose() => _lease.Dispose();

    private sealed record Local : ILocalSiloDetails
    {
        public string Name => "silo";

        public string ClusterId => "c";

        public string DnsHostName => "localhost";

        public SiloAddress SiloAddress { get; } = SiloAddress.New(IPAddress.Loopback, 1, 1);

        public SiloAddress GatewayAddress => SiloAddress;
    }

    /// <summary>Stands still but when it is turned; its timers fire only by hand, as in a process that is frozen.</summary>
    private sealed class TurnedClock : TimeProvider
    {
        private long _now = 1_000_000;

        public override long TimestampFrequency => 1_000_000;

        public override long GetTimestamp() => _now;

        private readonly List<HandTimer> _timers = [];

        public HandTimer Fence => Assert.Single(_timers);

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            _timers.Add(new HandTimer(() => callback(state)));
            return _timers[^1];
        }

        public void Turn(double seconds) => _now += (long)(seconds * TimestampFrequency);

        public sealed class HandTimer(Action fire) : ITimer
        {
            public TimeSpan Due { get; private set; }

            public void Fire() => fire();

            public bool Change(TimeSpan dueTime, TimeSpan period)
            {
                Due = dueTime;
                return true;
            }

            public void Dispose()
            {
            }

            public ValueTask DisposeAsync() => default;
        }
    }
}
