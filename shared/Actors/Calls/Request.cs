using System.Reflection;
using Loire.Actors.Serialization;
using Loire.Actors.Transport;
using Orleans.Runtime;
using Orleans.Serialization.Invocation;

namespace Loire.Actors.Calls;

/// <summary>One call on its way: method, arguments, who sent it, by when it must be answered. Generated code derives one class a method.</summary>
/// <remarks>
/// A request has one or two owners: the activation that holds it in a list or runs it, and a caller that awaits it as a <see cref="ValueTask"/>.
/// The last one to let go gives it back to its pool. Whoever else wants to touch it takes a share first, under the lock of the list it is in.
/// </remarks>
[System.Diagnostics.CodeAnalysis.SuppressMessage("Design", "CA1001", Justification = "The source has no timer and no wait handle, so there is nothing to free.")]
public abstract class Request : IInvokable
{
    private int _owners;
    private int _answered;
    private CancellationToken _callerToken;
    private CancellationTokenSource? _stop;
    private CancellationTokenRegistration _registration;

    /// <summary>The method.</summary>
    public abstract MethodDescriptor Method { get; }

    internal GrainReference Target { get; set; } = null!;

    /// <summary>The activation whose code made the call; null for a client.</summary>
    internal Activation? Sender { get; set; }

    /// <summary>The caller's request context; shared, never changed.</summary>
    internal Dictionary<string, object>? Context { get; set; }

    /// <summary>The chain that may come back into grains it runs in; empty when there is none.</summary>
    internal Guid ReentrancyId { get; set; }

    /// <summary>When it was sent, on the silo's clock.</summary>
    internal long SentAt { get; set; }

    /// <summary>When its caller stops waiting, on the silo's clock; <see cref="long.MaxValue"/> for never.</summary>
    internal long Deadline { get; set; } = long.MaxValue;

    /// <summary>How often it found that the activation it was sent to had ended.</summary>
    internal int Forwards { get; set; }

    /// <summary>The activation that has it now.</summary>
    internal Activation? Host { get; set; }

    /// <summary>Who made the call, if it came from another process: its answer goes there.</summary>
    internal RemoteCaller? Caller { get; set; }

    /// <summary>The link that the call was sent on, if its grain is in another process.</summary>
    internal Connection? SentOn { get; set; }

    /// <summary>The call's number on <see cref="SentOn"/>.</summary>
    internal uint SentAs { get; set; }

    /// <summary>Whether placement chose the silo that it goes to; otherwise the grain is thought to be there.</summary>
    internal bool IsPlaced { get; set; }

    internal RequestList? List { get; set; }

    internal Request? Next { get; set; }

    internal Request? Previous { get; set; }

    internal TurnKind Kind { get; set; }

    internal CallOptions Options => Method.Options;

    /// <summary>Whether an answer, or a failure, has been given.</summary>
    internal bool IsAnswered => Volatile.Read(ref _answered) != 0;

    /// <summary>Whether the mailbox's bound applies to it.</summary>
    internal virtual bool IsBounded => true;

    /// <summary>Whether filters see it.</summary>
    internal virtual bool IsFiltered => true;

    /// <summary>Whether it counts as use of the grain.</summary>
    internal virtual bool KeepsAlive => true;

    /// <summary>Whether the end of an activation waits for it; a reader that waits for an item is cut off instead.</summary>
    internal virtual bool DelaysEnd => true;

    /// <inheritdoc/>
    public virtual int GetArgumentCount() => 0;

    /// <inheritdoc/>
    public virtual object? GetArgument(int index) => throw new ArgumentOutOfRangeException(nameof(index));

    /// <inheritdoc/>
    public virtual void SetArgument(int index, object? value) => throw new ArgumentOutOfRangeException(nameof(index));

    /// <inheritdoc/>
    public string GetMethodName() => Method.Name;

    /// <inheritdoc/>
    public string GetInterfaceName() => Method.InterfaceType.FullName!;

    /// <inheritdoc/>
    public Type GetInterfaceType() => Method.InterfaceType;

    /// <inheritdoc/>
    public MethodInfo GetMethod() => Method.Method;

    /// <inheritdoc/>
    public override string ToString() => $"{Target?.GrainId}.{Method.Name}";

    /// <summary>The method on the wire; a stream's pulls have that of the method that returned the stream.</summary>
    internal virtual ulong WireMethod => Method.WireId;

    /// <summary>Writes the arguments; generated.</summary>
    public virtual void WriteArguments(WireWriter writer)
    {
    }

    /// <summary>Reads the arguments; generated. Those that the sender did not write stay default.</summary>
    public virtual void ReadArguments(WireReader reader)
    {
    }

    /// <summary>Opens a request that was read from a connection: its answer goes to <see cref="Caller"/>.</summary>
    internal abstract void OpenRemote();

    /// <summary>Gives the caller the answer that a connection brought.</summary>
    internal abstract void ReadAnswer(WireReader reader);

    /// <summary>Starts the call as a turn of the activation that is running on this thread, and reports to it when it is done.</summary>
    internal abstract void Run(Activation activation, object instance);

    /// <summary>Gives the caller an exception, unless it has an answer already.</summary>
    internal abstract bool TryFail(Exception exception);

    /// <summary>Runs the grain's method for a filter.</summary>
    internal abstract Task<object?> InvokeBoxedAsync(object instance);

    /// <summary>The token that the grain's method gets. It is cancelled on the grain's scheduler, when the caller's is.</summary>
    protected CancellationToken Token => _stop?.Token ?? CancellationToken.None;

    /// <summary>Whether the caller can cancel. Such a request is not used again, since a late cancellation would hit another call.</summary>
    internal bool IsCancellable => _stop is not null;

    /// <summary>Lets a caller in another process cancel the call, if its token could be cancelled there.</summary>
    internal void BindRemote() => _stop = new CancellationTokenSource();

    /// <summary>Takes the caller's token.</summary>
    public void Bind(CancellationToken token)
    {
        _callerToken = token;
        if (token.CanBeCanceled)
        {
            _stop = new CancellationTokenSource();
        }
    }

    /// <summary>Whether the caller cancelled before the call was sent: then it has failed.</summary>
    internal bool FailIfCancelled()
    {
        if (!_callerToken.IsCancellationRequested)
        {
            return false;
        }

        TryFail(new OperationCanceledException(_callerToken));
        LetGo();
        return true;
    }

    /// <summary>Watches the caller's token, once the call was sent.</summary>
    internal void WatchToken()
    {
        _registration = _callerToken.UnsafeRegister(static (request, token) => ((Request)request!).CancelByCaller(token), this);
        if (IsAnswered)
        {
            _registration.Unregister();
        }
    }

    /// <summary>Tells the grain's code that nobody waits any more. Runs as a turn of the activation.</summary>
    internal void SignalCancellation() => _stop?.Cancel();

    /// <summary>Called when the call is over, before its activation lets go of it.</summary>
    internal virtual void OnLeft()
    {
    }

    internal void Open(int owners)
    {
        _owners = owners;
        _answered = 0;
    }

    internal void Share() => Interlocked.Increment(ref _owners);

    internal void LetGo()
    {
        if (Interlocked.Decrement(ref _owners) == 0)
        {
            Sender = null;
            Caller = null;
            SentOn = null;
            IsPlaced = false;
            Context = null;
            ReentrancyId = default;
            Host = null;
            Target = null!;
            Deadline = long.MaxValue;
            Forwards = 0;
            if (!IsCancellable)
            {
                Recycle();
            }
        }
    }

    /// <summary>The one that gets true here gives the answer.</summary>
    internal bool ClaimAnswer()
    {
        if (Interlocked.CompareExchange(ref _answered, 1, 0) != 0)
        {
            return false;
        }

        if (IsCancellable)
        {
            _registration.Unregister();
        }

        return true;
    }

    /// <summary>Clears the arguments and goes back to the pool, or does nothing.</summary>
    protected abstract void Recycle();

    private void CancelByCaller(CancellationToken token)
    {
        if (TryFail(new OperationCanceledException(token)))
        {
            Host?.Cancel(this);
            SentOn?.Cancel(SentAs);
        }
    }
}

/// <summary>What a running request keeps out.</summary>
internal enum TurnKind : byte
{
    Exclusive,
    Reader,
    Interleaved,
}
