using Loire.Contracts;

namespace Loire.Silo.Sessions;

/// <summary>The turns that run on this silo, so that it can stop in good order. Safe from any thread.</summary>
/// <param name="othersTakeOver">Whether a turn that is refused here runs on another silo.</param>
public sealed class TurnDrain(bool othersTakeOver = false) : IDisposable
{
    private readonly Lock _lock = new();
    private readonly CancellationTokenSource _cancel = new();
    private readonly TaskCompletionSource _idle = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private volatile bool _stopping;

    public int Running { get; private set; }

    /// <summary>Whether turns are taken no more.</summary>
    public bool IsClosed => _stopping;

    /// <summary>Fires when the time to finish is over.</summary>
    public CancellationToken Cancelling => _cancel.Token;

    /// <exception cref="ClusterException">The silo stops.</exception>
    public void Enter()
    {
        lock (_lock)
        {
            if (_stopping)
            {
                throw othersTakeOver
                    ? new ClusterException(FailureCode.SessionMoved, "The silo is stopping, and its sessions go on elsewhere. Call again.")
                    : new ClusterException(FailureCode.NoCapacity, "The silo is stopping. Retry when it has started again.", retryAfter: TimeSpan.FromSeconds(5));
            }

            Running++;
        }
    }

    public void Leave()
    {
        lock (_lock)
        {
            Running--;
            SignalWhenIdle();
        }
    }

    /// <summary>Takes no more turns.</summary>
    public void Close()
    {
        lock (_lock)
        {
            _stopping = true;
            SignalWhenIdle();
        }
    }

    /// <summary>Takes no more turns and lets the running ones finish; after <paramref name="timeout"/> they are cancelled, which commits what was delivered.</summary>
    /// <returns>False when <paramref name="cancellationToken"/> fired with turns still running.</returns>
    public async Task<bool> DrainAsync(TimeSpan timeout, TimeProvider time, CancellationToken cancellationToken)
    {
        Close();
        try
        {
            await _idle.Task.WaitAsync(timeout, time, cancellationToken);
        }
        catch (Exception late) when (late is TimeoutException or OperationCanceledException)
        {
            await _cancel.CancelAsync();
            await _idle.Task.WaitAsync(timeout, time, CancellationToken.None).ContinueWith(_ => { }, TaskScheduler.Default);
        }

        return _idle.Task.IsCompleted;
    }

    public void Dispose() => _cancel.Dispose();

    private void SignalWhenIdle()
    {
        if (_stopping && Running == 0)
        {
            _idle.TrySetResult();
        }
    }
}
