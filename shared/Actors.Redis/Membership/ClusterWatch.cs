using System.Diagnostics;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Orleans.Runtime;
using StackExchange.Redis;

namespace Loire.Actors.Redis;

/// <summary>Beats: renews this silo's lease, if it has one, looks for silos whose lease has ended, and clears up after them.</summary>
/// <remarks>
/// A beat does not wait for the one before it, so that a lost answer costs no renewal; those under way are bounded by the command time-out.
/// A beat that finds somebody overdue comes right after the end of that lease instead of an interval later.
/// </remarks>
internal sealed class ClusterWatch(
    RedisLink link,
    ClusterKeys keys,
    MembershipTable table,
    MembershipView view,
    IOptions<RedisLeaseOptions> options,
    TimeProvider time,
    ILoggerFactory loggers,
    MemberLease? lease,
    SiloAddress? self) : IRefusedSilos, IAsyncDisposable, IDisposable
{
    private static readonly TimeSpan ShortestWait = TimeSpan.FromMilliseconds(10); // a lease in its grace ends at a time that a beat cannot foretell

    private readonly ClusterLog _log = new(loggers.CreateLogger<ClusterWatch>());
    private readonly RedisLeaseOptions _options = options.Value;
    private readonly CancellationTokenSource _stopping = new();
    private readonly SemaphoreSlim _wake = new(0, 1);
    private readonly Lock _lock = new();
    private readonly string _witness = self?.ToParsableString() ?? $"a client ({Environment.MachineName}:{Environment.ProcessId})";
    private Task[]? _running;
    private Task _sweeping = Task.CompletedTask;
    private Task _beating = Task.CompletedTask;
    private long _dueAt;
    private bool _failing;

    /// <summary>Begins to watch; once.</summary>
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            if (_running is not null)
            {
                return;
            }

            _running = [view.RunAsync(_stopping.Token), BeatOnAsync()];
        }

        link.Reconnected += Wake;
        try
        {
            await link.SubscribeAsync(RedisChannel.Literal(keys.Channel), OnPublished, cancellationToken);
        }
        catch (Exception exception) when (exception is RedisException or TimeoutException)
        {
            _log.BeatFailed(exception); // the next connection takes the subscription along, and beats see changes without it
        }
    }

    /// <summary>Beats now.</summary>
    public void Wake() => BeatBy(time.GetTimestamp());

    /// <summary>Ends the membership of an active silo whose process has ended. One that stops by itself has another status, and says when it is done.</summary>
    public void Refused(SiloAddress silo)
    {
        if (_options.TrustRefusals && silo != self)
        {
            _ = BuryRefusedAsync(silo);
        }
    }

    /// <summary>Removes what a silo that is gone has in the directory; false when not all could be removed now.</summary>
    public async Task<bool> SweepAsync(string silo, CancellationToken cancellationToken)
    {
        var removed = 0;
        try
        {
            var left = 1L;
            while (left > 0)
            {
                (left, var portion) = await table.SweepAsync(silo, cancellationToken);
                removed += portion;
            }

            return left == 0;
        }
        catch (RedisUnavailableException exception)
        {
            _log.SweepFailed(exception, silo);
            return false;
        }
        finally
        {
            if (removed > 0)
            {
                _log.Swept(removed, silo);
            }
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (_stopping.IsCancellationRequested)
        {
            return;
        }

        await _stopping.CancelAsync();
        link.Reconnected -= Wake;
        await Task.WhenAll([.. _running ?? [], _sweeping, _beating]).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    /// <summary>For containers that dispose synchronously: ends, but does not wait.</summary>
    public void Dispose() => _ = DisposeAsync().AsTask();

    private async Task BuryRefusedAsync(SiloAddress silo)
    {
        try
        {
            if (await table.BuryAsync(silo, $"{_witness}, to whom its address refuses connections", SiloStatus.Active, _stopping.Token))
            {
                ClusterMetrics.Deaths.Add(1);
                _log.DeclaredRefused(silo, _witness);
                await view.Refresh(cancellationToken: _stopping.Token);
            }
        }
        catch (Exception exception) when (exception is RedisUnavailableException or OperationCanceledException or ObjectDisposedException)
        {
            // Then its lease ends.
        }
    }

    private void OnPublished(RedisValue version)
    {
        if (long.TryParse((string?)version, out var number))
        {
            view.Announce(number);
        }
    }

    private async Task BeatOnAsync()
    {
        while (!_stopping.IsCancellationRequested)
        {
            SetDue(After(_options.RenewInterval));
            _beating = BeatAsync();
            while (UntilDue() is { } wait && wait > TimeSpan.Zero && !_stopping.IsCancellationRequested)
            {
                await ((Task)_wake.WaitAsync(wait, _stopping.Token)).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
    }

    private long After(TimeSpan delay) => time.GetTimestamp() + (long)(delay.TotalSeconds * time.TimestampFrequency);

    private void SetDue(long timestamp)
    {
        lock (_lock)
        {
            _dueAt = timestamp;
        }
    }

    private TimeSpan UntilDue()
    {
        lock (_lock)
        {
            return time.GetElapsedTime(time.GetTimestamp(), _dueAt);
        }
    }

    /// <summary>The next beat comes no later than this.</summary>
    private void BeatBy(long timestamp)
    {
        lock (_lock)
        {
            if (timestamp >= _dueAt)
            {
                return;
            }

            _dueAt = timestamp;
            if (_wake.CurrentCount == 0)
            {
                _wake.Release();
            }
        }
    }

    private async Task BeatAsync()
    {
        var renewing = lease is { IsHeld: true };
        var askedAt = time.GetTimestamp();
        try
        {
            var beat = await table.BeatAsync(renewing ? self : null, _options.Lease, _witness, _stopping.Token);
            _failing = false;
            ClusterMetrics.BeatDuration.Record(time.GetElapsedTime(askedAt).TotalMilliseconds);
            if (renewing)
            {
                Apply(beat, askedAt);
            }

            See(beat);
        }
        catch (RedisUnavailableException exception)
        {
            if (!_failing)
            {
                _log.BeatFailed(exception);
            }

            _failing = true;
        }
        catch (Exception exception) when (exception is OperationCanceledException or ObjectDisposedException)
        {
            // The watch ends.
        }
    }

    private void Apply(Beat beat, long askedAt)
    {
        Debug.Assert(lease is not null, "Only a member renews.");
        if (!beat.Renewed)
        {
            lease.Lose(beat.Refusal);
            return;
        }

        var gap = lease.Extend(askedAt);
        if (gap > _options.RenewInterval * 2)
        {
            ClusterMetrics.RenewalsLate.Add(1);
            _log.RenewalLate(gap.TotalMilliseconds, _options.RenewInterval.TotalMilliseconds);
        }
    }

    private void See(Beat beat)
    {
        foreach (var (silo, late) in beat.Deaths)
        {
            ClusterMetrics.Deaths.Add(1);
            _log.DeclaredDead(silo, _witness, late);
        }

        view.Announce(beat.Version);
        if (beat.FirstExpiry is { } wait && wait < _options.RenewInterval)
        {
            BeatBy(After(wait + ShortestWait));
        }

        if (beat.Sweep.Length > 0 && _sweeping.IsCompleted)
        {
            _sweeping = SweepAsync(beat.Sweep, _stopping.Token);
        }
    }
}
