using System.Threading.Tasks.Sources;

namespace Loire.Actors.Calls;

/// <summary>A call that answers with a <typeparamref name="T"/>.</summary>
/// <remarks>A caller that wants a <see cref="Task"/> gets one made for it; one that wants a <see cref="ValueTask"/> awaits this object, and nothing is allocated.</remarks>
public abstract class Request<T> : Request, IValueTaskSource<T>, IValueTaskSource
{
    private ManualResetValueTaskSourceCore<T> _source = new() { RunContinuationsAsynchronously = true };
    private TaskCompletionSource<T>? _task;

    internal Task<T> OpenAsTask()
    {
        Open(owners: 1);
        var task = new TaskCompletionSource<T>(TaskCreationOptions.RunContinuationsAsynchronously);
        _task = task;
        return task.Task;
    }

    internal ValueTask<T> OpenAsValueTask()
    {
        Open(owners: 2);
        return new ValueTask<T>(this, _source.Version);
    }

    internal ValueTask OpenAsVoidValueTask()
    {
        Open(owners: 2);
        return new ValueTask(this, _source.Version);
    }

    internal void OpenOneWay()
    {
        Open(owners: 1);
        _task = null;
        ClaimAnswer();
    }

    internal override void Run(Activation activation, object instance)
    {
        if (activation.HasFilters && IsFiltered)
        {
            _ = RunFilteredAsync(activation, instance);
            return;
        }

        ValueTask<T> call;
        try
        {
            call = Invoke(instance);
        }
        catch (Exception exception)
        {
            Leave(activation, exception);
            return;
        }

        if (call.IsCompletedSuccessfully)
        {
            Leave(activation, call);
        }
        else
        {
            _ = AwaitAsync(call, activation);
        }
    }

    internal override async Task<object?> InvokeBoxedAsync(object instance) => await Invoke(instance);

    internal void Answer(T result)
    {
        if (!ClaimAnswer())
        {
            return;
        }

        if (_task is { } task)
        {
            task.SetResult(result);
        }
        else
        {
            _source.SetResult(result);
        }
    }

    internal override bool TryFail(Exception exception)
    {
        if (!ClaimAnswer())
        {
            return false;
        }

        if (_task is not { } task)
        {
            _source.SetException(exception);
        }
        else if (exception is OperationCanceledException cancelled)
        {
            task.SetCanceled(cancelled.CancellationToken.IsCancellationRequested ? cancelled.CancellationToken : new CancellationToken(canceled: true));
        }
        else
        {
            task.SetException(exception);
        }

        return true;
    }

    /// <summary>Calls the grain's method.</summary>
    protected abstract ValueTask<T> Invoke(object target);

    /// <summary>A copy of the result that the grain and the caller do not share.</summary>
    protected virtual T CopyResult(T result) => result;

    /// <summary>Forgets the outcome, so that the request can be used again.</summary>
    protected void ResetOutcome()
    {
        _task = null;
        _source.Reset();
    }

    private async Task RunFilteredAsync(Activation activation, object instance)
    {
        T result;
        try
        {
            var call = new FilteredCall(this, activation, instance, activation.Filters);
            await call.Invoke();
            result = call.Result is null ? default! : CopyResult((T)call.Result);
        }
        catch (Exception exception)
        {
            Leave(activation, exception);
            return;
        }

        activation.OnTurnEnded(this);
        Answer(result);
        LetGo();
    }

    private async Task AwaitAsync(ValueTask<T> call, Activation activation)
    {
        T result;
        try
        {
            result = CopyResult(await call);
        }
        catch (Exception exception)
        {
            Leave(activation, exception);
            return;
        }

        activation.OnTurnEnded(this);
        Answer(result);
        LetGo();
    }

    private void Leave(Activation activation, ValueTask<T> call)
    {
        T result;
        try
        {
            result = CopyResult(call.Result);
        }
        catch (Exception exception)
        {
            Leave(activation, exception);
            return;
        }

        activation.OnTurnEnded(this);
        Answer(result);
        LetGo();
    }

    private void Leave(Activation activation, Exception exception)
    {
        activation.OnTurnEnded(this);
        if (!TryFail(exception))
        {
            activation.LogLateFailure(this, exception);
        }

        LetGo();
    }

    T IValueTaskSource<T>.GetResult(short token)
    {
        try
        {
            return _source.GetResult(token);
        }
        finally
        {
            LetGo();
        }
    }

    void IValueTaskSource.GetResult(short token) => ((IValueTaskSource<T>)this).GetResult(token);

    ValueTaskSourceStatus IValueTaskSource<T>.GetStatus(short token) => _source.GetStatus(token);

    ValueTaskSourceStatus IValueTaskSource.GetStatus(short token) => _source.GetStatus(token);

    void IValueTaskSource<T>.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _source.OnCompleted(continuation, state, token, flags);

    void IValueTaskSource.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _source.OnCompleted(continuation, state, token, flags);
}

/// <summary>A call that answers with nothing but its end.</summary>
public abstract class VoidRequest : Request<Done>
{
    /// <summary>Calls the grain's method.</summary>
    protected abstract ValueTask InvokeVoid(object target);

    /// <inheritdoc/>
    protected sealed override ValueTask<Done> Invoke(object target)
    {
        var call = InvokeVoid(target);
        if (call.IsCompletedSuccessfully)
        {
            call.GetAwaiter().GetResult();
            return default;
        }

        return AwaitVoidAsync(call);
    }

    private static async ValueTask<Done> AwaitVoidAsync(ValueTask call)
    {
        await call;
        return default;
    }
}

/// <summary>The answer of a call that answers with nothing.</summary>
public readonly record struct Done;
