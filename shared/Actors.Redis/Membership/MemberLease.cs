using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Orleans.Runtime;

namespace Loire.Actors.Redis;

/// <summary>What a silo knows of its own lease, by its own monotonic clock.</summary>
/// <remarks>
/// <code>
/// asked to renew            held until                 lease ends in Redis, at the earliest
///      |------------------------|------ margin --------------|
/// </code>
/// The silo counts from before it asked, Redis from when it was asked: whatever the delay between, the silo stops first.
/// Once the lease is lost it stays lost, also when a late renewal succeeds.
/// </remarks>
internal sealed class MemberLease : IClusterLease, IDisposable
{
    private readonly TimeProvider _time;
    private readonly TimeSpan _heldFor;
    private readonly ILocalSiloDetails _local;
    private readonly ClusterLog _log;
    private readonly CancellationTokenSource _lost = new();
    private readonly ITimer _fence;
    private readonly Lock _lock = new();
    private long _askedAt;
    private long _heldUntil = long.MinValue; // read without the lock; changed under it
    private State _state;

    public MemberLease(IOptions<RedisLeaseOptions> options, ILocalSiloDetails local, TimeProvider time, ILoggerFactory loggers)
    {
        _time = time;
        _heldFor = options.Value.HeldFor;
        _local = local;
        _log = new ClusterLog(loggers.CreateLogger<MemberLease>());
        _fence = time.CreateTimer(static lease => ((MemberLease)lease!).OnFence(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    private enum State
    {
        None,
        Held,
        Lost,
        Left,
    }

    public long Epoch { get; private set; }

    public string? LostReason { get; private set; }

    public CancellationToken Lost => _lost.Token;

    public bool IsHeld => _time.GetTimestamp() < Volatile.Read(ref _heldUntil) || HasNotPassed();

    /// <param name="epoch">The member's epoch.</param>
    /// <param name="askedAt">When it asked to join, by the monotonic clock.</param>
    public void Begin(long epoch, long askedAt)
    {
        lock (_lock)
        {
            Epoch = epoch;
            _state = State.Held;
            HoldFrom(askedAt);
        }

        _ = IsHeld; // joining may have taken too long
    }

    /// <summary>A renewal that was asked for at this time succeeded. Returns how long after the one before it was asked.</summary>
    public TimeSpan Extend(long askedAt)
    {
        lock (_lock)
        {
            if (!IsHeld || askedAt <= _askedAt)
            {
                return TimeSpan.Zero;
            }

            var gap = _time.GetElapsedTime(_askedAt, askedAt);
            HoldFrom(askedAt);
            return gap;
        }
    }

    public void Lose(string reason)
    {
        lock (_lock)
        {
            if (_state != State.Held)
            {
                return;
            }

            _state = State.Lost;
            _heldUntil = long.MinValue;
            LostReason = reason;
        }

        ClusterMetrics.LeasesLost.Add(1);
        _log.LeaseLost(_local.SiloAddress, Epoch, reason);
        _ = _lost.CancelAsync(); // not under whoever asked
    }

    /// <summary>The silo leaves of its own will: nothing is lost.</summary>
    public void Leave()
    {
        lock (_lock)
        {
            _state = _state == State.Lost ? State.Lost : State.Left;
            _heldUntil = long.MinValue;
        }
    }

    public void Dispose() => _fence.Dispose();

    private void HoldFrom(long askedAt)
    {
        _askedAt = askedAt;
        Volatile.Write(ref _heldUntil, askedAt + (long)(_heldFor.TotalSeconds * _time.TimestampFrequency));
        SetFence();
    }

    /// <summary>Timers count whole milliseconds and may come early: one that does is set again, or nobody would be told of the end until somebody asks.</summary>
    private void OnFence()
    {
        lock (_lock)
        {
            if (IsHeld)
            {
                SetFence();
            }
        }
    }

    private void SetFence()
    {
        var rest = _time.GetElapsedTime(_time.GetTimestamp(), _heldUntil);
        _fence.Change(TimeSpan.FromMilliseconds(Math.Max(0, Math.Ceiling(rest.TotalMilliseconds))), Timeout.InfiniteTimeSpan);
    }

    /// <summary>Looks again under the lock, where it cannot be renewed meanwhile; when its time has passed, it is lost from here on.</summary>
    private bool HasNotPassed()
    {
        lock (_lock)
        {
            if (_state != State.Held)
            {
                return false;
            }

            if (_time.GetTimestamp() < _heldUntil)
            {
                return true;
            }

            Lose($"it was asked for {_time.GetElapsedTime(_askedAt).TotalMilliseconds:0} ms ago and not renewed, and is trusted for {_heldFor.TotalMilliseconds:0} ms");
            return false;
        }
    }
}
