using Orleans.Runtime;

namespace Loire.Actors.Streams;

/// <summary>The grain's end of a stream that is being read. All of it runs on the activation's scheduler, but for <see cref="Sweep"/>.</summary>
internal abstract class Enumeration(Activation activation)
{
    private TaskCompletionSource? _heartbeat;
    private long _since = activation.Runtime.Time.GetTimestamp();
    private bool _pulled = true;

    protected Activation Activation { get; } = activation;

    /// <summary>Sends a heartbeat to a reader that has waited for long; true when the reader has not come back for long.</summary>
    public bool Sweep(long now)
    {
        var waited = Activation.Runtime.Time.GetElapsedTime(Volatile.Read(ref _since), now);
        if (Volatile.Read(ref _heartbeat) is { } heartbeat && waited >= Activation.Runtime.HeartbeatPeriod)
        {
            heartbeat.TrySetResult();
        }

        return !Volatile.Read(ref _pulled) && waited >= Activation.Runtime.AbandonedAfter;
    }

    public abstract Task EndAsync();

    protected void BeginPull()
    {
        Volatile.Write(ref _since, Activation.Runtime.Time.GetTimestamp());
        Volatile.Write(ref _pulled, true);
    }

    protected void EndPull()
    {
        Volatile.Write(ref _heartbeat, null);
        Volatile.Write(ref _since, Activation.Runtime.Time.GetTimestamp());
        Volatile.Write(ref _pulled, false);
    }

    /// <summary>Completes when the reader is to be told to ask again.</summary>
    protected Task Heartbeat()
    {
        var heartbeat = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        Volatile.Write(ref _heartbeat, heartbeat);
        return heartbeat.Task;
    }
}

/// <inheritdoc/>
[System.Diagnostics.CodeAnalysis.SuppressMessage("Design", "CA1001", Justification = "EndAsync disposes what it owns.")]
internal sealed class Enumeration<T> : Enumeration
{
    private readonly CancellationTokenSource _stop = new();
    private readonly StreamCall<T> _call;
    private readonly Guid _id;
    private readonly IAsyncEnumerator<T> _source;
    private Task<bool>? _moving;
    private Task? _ended;

    public Enumeration(Activation activation, StreamCall<T> call, Guid id, object target)
        : base(activation)
    {
        _call = call;
        _id = id;
        _source = call.Start(target, _stop.Token).GetAsyncEnumerator(_stop.Token);
    }

    /// <summary>The items that are there, up to <paramref name="limit"/>; waits for the first one, at most for a heartbeat.</summary>
    public async ValueTask<StreamBatch<T>> PullAsync(int limit)
    {
        BeginPull();
        try
        {
            return await CollectAsync(limit);
        }
        catch
        {
            Activation.ForgetStream(_id);
            throw;
        }
        finally
        {
            EndPull();
        }
    }

    public override Task EndAsync() => _ended ??= DisposeAsync();

    [System.Diagnostics.CodeAnalysis.SuppressMessage("Reliability", "CA2012", Justification = "Each one is either read when it has completed or made a task.")]
    private async ValueTask<StreamBatch<T>> CollectAsync(int limit)
    {
        var moving = _moving is { } left ? new ValueTask<bool>(left) : _source.MoveNextAsync();
        if (!moving.IsCompleted)
        {
            _moving = moving.AsTask();
            if (await Task.WhenAny(_moving, Heartbeat()) != _moving)
            {
                return default;
            }

            moving = new ValueTask<bool>(_moving);
        }

        ThrowIfEnded();
        _moving = null;
        var moved = await moving;
        if (!moved)
        {
            return await CompleteAsync(null);
        }

        var first = _call.Copy(_source.Current);
        List<T>? many = null;
        while ((many?.Count ?? 1) < limit)
        {
            var next = _source.MoveNextAsync();
            if (!next.IsCompletedSuccessfully)
            {
                // Not there yet, or failed: the next pull finds out.
                _moving = next.AsTask();
                break;
            }

            if (!next.Result)
            {
                return await CompleteAsync(many ?? [first]);
            }

            many ??= [first];
            many.Add(_call.Copy(_source.Current));
        }

        return many is null ? new StreamBatch<T>(first, completed: false) : new StreamBatch<T>(many, completed: false);
    }

    private async ValueTask<StreamBatch<T>> CompleteAsync(List<T>? items)
    {
        Activation.ForgetStream(_id);
        await EndAsync();
        return new StreamBatch<T>(items, completed: true);
    }

    private async Task DisposeAsync()
    {
        await _stop.CancelAsync();
        if (_moving is { } moving)
        {
            // An iterator must not be disposed while it moves.
            await ((Task)moving).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing | ConfigureAwaitOptions.ContinueOnCapturedContext);
        }

        await _source.DisposeAsync();
        _stop.Dispose();
    }

    private void ThrowIfEnded()
    {
        if (_ended is not null)
        {
            throw new EnumerationAbortedException($"The stream of {Activation.GrainId} was ended while an item was awaited.");
        }
    }
}
