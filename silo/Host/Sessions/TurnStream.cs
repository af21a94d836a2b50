using System.Runtime.CompilerServices;
using System.Runtime.ExceptionServices;
using Loire.Contracts;

namespace Loire.Silo.Sessions;

/// <summary>Where the events of one turn come from. Called one at a time.</summary>
internal interface ITurnSource : IDisposable
{
    /// <summary>The next event; after <see cref="TurnEventKind.Finished"/> or a failure there is none.</summary>
    ValueTask<TurnEvent> NextAsync();

    /// <summary>Ends the turn: <see cref="NextAsync"/> comes to its end soon. May be called while it runs.</summary>
    ValueTask CancelAsync();

    /// <summary>Ends the turn here, uncommitted, so that it goes on elsewhere: <see cref="NextAsync"/> soon fails with <see cref="FailureCode.SessionMoved"/>.</summary>
    ValueTask LeaveAsync();
}

/// <summary>The events of one turn, for any number of readers: each gets all of them from the beginning.</summary>
/// <remarks>
/// Nothing runs ahead of the readers: the one that is farthest pulls the next event, and others that wait for it share the pull.
/// What is kept is bounded by the turn's own length, which the model's context bounds. When the last reader leaves before the end, the turn is cancelled.
/// Owned by one scheduler, that of the session's grain.
/// </remarks>
internal sealed class TurnStream
{
    private readonly ITurnSource _source;
    private readonly Action _ended;
    private readonly List<TurnEvent> _events = [];
    private readonly CancellationTokenRegistration _stopping;
    private ExceptionDispatchInfo? _failure;
    private Task _advance = Task.CompletedTask;
    private Task? _stop;
    private readonly TaskCompletionSource _left = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _readers;

    /// <param name="request">The turn.</param>
    /// <param name="source">Its events.</param>
    /// <param name="ended">Called once, when the last event is there.</param>
    /// <param name="stopping">Cancels the turn in good order, from any thread.</param>
    public TurnStream(TurnRequest request, ITurnSource source, Action ended, CancellationToken stopping)
    {
        (Request, _source, _ended) = (request, source, ended);
        var scheduler = TaskScheduler.Current;
        _stopping = stopping.Register(() => _ = Task.Factory.StartNew(StopAsync, CancellationToken.None, TaskCreationOptions.None, scheduler));
    }

    public TurnRequest Request { get; }

    public string TurnId => Request.TurnId;

    public bool IsEnded { get; private set; }

    /// <summary>Completes when no reader is left.</summary>
    public Task Left => _readers == 0 ? Task.CompletedTask : _left.Task;

    public async IAsyncEnumerable<TurnEvent> ReadAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        _readers++;
        try
        {
            for (var next = 0; ; next++)
            {
                while (next == _events.Count)
                {
                    _failure?.Throw();
                    if (IsEnded)
                    {
                        yield break;
                    }

                    await AdvanceAsync().WaitAsync(cancellationToken);
                }

                yield return _events[next];
            }
        }
        finally
        {
            if (--_readers == 0)
            {
                _left.TrySetResult();
                if (!IsEnded)
                {
                    await StopAsync();
                }
            }
        }
    }

    /// <summary>Cancels the turn and waits until what was delivered is committed.</summary>
    public Task StopAsync() => _stop ??= StopCoreAsync(_source.CancelAsync);

    /// <summary>Ends the turn here and waits until it has: its readers are told to go on elsewhere.</summary>
    public Task LeaveAsync() => _stop ??= StopCoreAsync(_source.LeaveAsync);

    private async Task StopCoreAsync(Func<ValueTask> end)
    {
        if (!IsEnded)
        {
            await end();
        }

        while (!IsEnded)
        {
            await AdvanceAsync();
        }
    }

    private Task AdvanceAsync() => _advance.IsCompleted ? _advance = AdvanceOnceAsync() : _advance;

    private async Task AdvanceOnceAsync()
    {
        try
        {
            var item = await _source.NextAsync();
            _events.Add(item);
            if (item.Kind == TurnEventKind.Finished)
            {
                End();
            }
        }
        catch (Exception fault)
        {
            _failure = ExceptionDispatchInfo.Capture(fault); // every reader gets it
            End();
        }
    }

    private void End()
    {
        IsEnded = true;
        _stopping.Unregister();
        _source.Dispose();
        _ended();
    }
}
