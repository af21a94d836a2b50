using System.Threading.Tasks.Sources;
using Loire.Actors.Serialization;
using Loire.Actors.Transport;

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

    internal override void OpenRemote()
    {
        Open(owners: 1);
        _task = null;
        if ((Options & CallOptions.OneWay) != 0)
        {
            ClaimAnswer();
        }
    }

    /// <summary>How the answer is written.</summary>
    internal virtual Codec<T> ResultCodec => Codecs.Get<T>();

    internal override void ReadAnswer(WireReader reader)
    {
        T result;
        try
        {
            result = reader.Nullable(ResultCodec)!;
        }
        catch (Exception exception)
        {
            TryFail(new Orleans.Runtime.OrleansException($"The answer of {this} could not be read: {exception.Message}", exception));
            return;
        }

        Answer(result);
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

        if (Caller is { } caller)
        {
            caller.Fail(exception);
        }
        else if (_task is not { } task)
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
            result = call.Result is null ? default! : (T)call.Result;
        }
        catch (Exception exception)
        {
            Leave(activation, exception);
            return;
        }

        Leave(activation, result);
    }

    private async Task AwaitAsync(ValueTask<T> call, Activation activation)
    {
        T result;
        try
        {
            result = await call;
        }
        catch (Exception exception)
        {
            Leave(activation, exception);
            return;
        }

        Leave(activation, result);
    }

    private void Leave(Activation activation, ValueTask<T> call)
    {
        T result;
        try
        {
            result = call.Result;
        }
        catch (Exception exception)
        {
            Leave(activation, exception);
            return;
        }

        Leave(activation, result);
    }

    private void Leave(Activation activation, T result)
    {
        if (Caller is { } caller)
        {
            LeaveTo(caller, activation, result);
            return;
        }

        try
        {
            result = CopyResult(result);
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

    // Written while it is still the grain's turn, so that nobody changes it meanwhile; sent when the turn is over.
    private void LeaveTo(RemoteCaller caller, Activation activation, T result)
    {
        WireWriter? answer = null;
        if (!IsAnswered)
        {
            try
            {
                answer = caller.Begin();
                answer.Nullable(ResultCodec, result);
            }
            catch (Exception exception)
            {
                Leave(activation, new Orleans.Runtime.OrleansException($"The answer of {this} could not be sent: {exception.Message}", exception));
                return;
            }
        }

        activation.OnTurnEnded(this);
        if (answer is not null && ClaimAnswer())
        {
            caller.Send(answer);
        }

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
    internal override Codec<Done> ResultCodec => DoneCodec.Instance;

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

/// <summary>The answer that says nothing takes no bytes.</summary>
internal sealed class DoneCodec : Codec<Done>
{
    public static DoneCodec Instance { get; } = new();

    public override WireType Wire => WireType.Varint;

    public override Done Copy(Done value) => value;

    public override void Write(WireWriter writer, Done value)
    {
    }

    public override Done Read(WireReader reader) => default;
}
