using Loire.Actors.Calls;
using Loire.Actors.Serialization;
using Orleans.Runtime;

namespace Loire.Actors.Transport;

internal sealed partial class Connection
{
    private readonly Dictionary<uint, Request> _calls = [];
    private readonly Dictionary<uint, Request> _answering = [];
    private readonly RequestList _waiting = new();
    private TaskCompletionSource? _idle;
    private uint _lastCall;
    private int _unansweredCalls;

    /// <summary>Sends a call, or keeps it until there is room. False when the connection has closed.</summary>
    public bool TrySend(Request request)
    {
        var full = false;
        lock (_lock)
        {
            if (_closed is not null || _isLeaving)
            {
                return false;
            }

            if (_queuedBytes > _options.SendQueueBytes)
            {
                full = _waiting.Count >= _options.WaitingCalls;
                if (!full)
                {
                    _waiting.Add(request);
                    return true;
                }
            }
        }

        if (!full)
        {
            return TryWrite(request);
        }

        request.TryFail(new LimitExceededException(nameof(TransportOptions.WaitingCalls), _options.WaitingCalls, _options.WaitingCalls, $"for room on the connection to {Peer}: call less."));
        request.LetGo();
        return true;
    }

    /// <summary>Takes a call back that its caller cancelled.</summary>
    public void Cancel(uint call)
    {
        if (IsOpen)
        {
            Send(Frame.Begin(FrameKind.Cancel, call));
        }
    }

    /// <summary>A call that came in is answered; when the answer is queued, see <see cref="Answered"/>.</summary>
    public void Forget(uint call)
    {
        lock (_lock)
        {
            _answering.Remove(call);
        }
    }

    /// <summary>The answer of a call that came in is on its way.</summary>
    public void Answered()
    {
        lock (_lock)
        {
            _unansweredCalls--;
            SignalIdle();
        }
    }

    /// <summary>Says that this process stops, and waits until the other side has closed: then it has all answers.</summary>
    public Task GoodbyeAsync()
    {
        Send(Frame.Begin(FrameKind.Goodbye, 0));
        return _ended.Task;
    }

    /// <summary>Completes when all calls that came in are answered, and the answers are written.</summary>
    public Task IdleAsync()
    {
        lock (_lock)
        {
            if (IsIdle || _closed is not null)
            {
                return Task.CompletedTask;
            }

            return (_idle ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).Task;
        }
    }

    /// <summary>Adds the calls whose time is up, each with the connection's own share.</summary>
    public void TakeExpired(long now, List<Request> expired)
    {
        lock (_lock)
        {
            List<uint>? over = null;
            foreach (var (call, request) in _calls)
            {
                if (request.Deadline <= now)
                {
                    (over ??= []).Add(call);
                    expired.Add(request);
                }
            }

            foreach (var call in over ?? [])
            {
                _calls.Remove(call);
            }

            for (var request = _waiting.First; request is not null;)
            {
                var next = request.Next;
                if (request.Deadline <= now)
                {
                    _waiting.Remove(request);
                    expired.Add(request);
                }

                request = next;
            }
        }
    }

    /// <summary>How many calls are on their way or wait for room.</summary>
    public int Depth
    {
        get
        {
            lock (_lock)
            {
                return _calls.Count + _waiting.Count;
            }
        }
    }

    private bool IsIdle => _unansweredCalls == 0 && !_isSending;

    private void SignalIdle()
    {
        if (_idle is not null && IsIdle)
        {
            _idle.TrySetResult();
            _idle = null;
        }
    }

    private bool TryWrite(Request request)
    {
        if (request.IsAnswered && (request.Options & CallOptions.OneWay) == 0)
        {
            request.LetGo();
            return true;
        }

        var call = Interlocked.Increment(ref _lastCall);
        WireWriter frame;
        try
        {
            frame = CallHead.Write(request, call, _runtime);
            Frame.End(frame, _options.MaxFrameBytes);
        }
        catch (Exception exception)
        {
            request.TryFail(new OrleansException($"{request} could not be sent: {exception.Message}", exception));
            request.LetGo();
            return true;
        }

        var oneWay = (request.Options & CallOptions.OneWay) != 0;
        request.SentAs = call;
        request.SentOn = this;
        Writing writing;
        lock (_lock)
        {
            if (_closed is not null)
            {
                request.SentOn = null;
                return false;
            }

            if (!oneWay)
            {
                _calls.Add(call, request);
            }

            writing = Queue(frame, _calls.Count);
        }

        if (oneWay)
        {
            request.LetGo();
        }

        Write(frame, writing);
        return true;
    }

    private Request? Take(uint call)
    {
        lock (_lock)
        {
            return _calls.Remove(call, out var request) ? request : null;
        }
    }

    // The other side stops. Its last answers come in order, so when none is awaited any more, the connection has done its work.
    private void Leave()
    {
        lock (_lock)
        {
            _isLeaving = true;
        }

        CloseIfLeft();
    }

    private void CloseIfLeft()
    {
        bool done;
        lock (_lock)
        {
            done = _isLeaving && _calls.Count == 0 && _waiting.Count == 0;
        }

        if (done)
        {
            Close(new SiloUnavailableException($"{Peer} stops."));
        }
    }

    private void SendWaiting()
    {
        while (true)
        {
            Request? request;
            lock (_lock)
            {
                request = _closed is null && _queuedBytes <= _options.SendQueueBytes ? _waiting.First : null;
                if (request is null)
                {
                    return;
                }

                _waiting.Remove(request);
            }

            if (!TryWrite(request))
            {
                _runtime.Unreachable(request, Peer, _closed!);
            }
        }
    }

    private static void Answer(Request? request, WireReader reader)
    {
        if (request is not null)
        {
            request.ReadAnswer(reader);
            request.LetGo();
        }
    }

    private static void Fail(Request? request, WireReader reader)
    {
        if (request is not null)
        {
            Exception failure;
            try
            {
                failure = Exceptions.Read(reader);
            }
            catch (Exception unreadable)
            {
                failure = new OrleansException($"{request} failed, and its exception could not be read: {unreadable.Message}", unreadable);
            }

            request.TryFail(failure);
            request.LetGo();
        }
    }

    private void Reject(Request? request, WireReader reader)
    {
        if (request is not null)
        {
            var placed = reader.Byte() != 0;
            var to = reader.Text();
            _runtime.Rejected(request, Peer, to.Length == 0 ? null : SiloAddress.FromParsableString(to), placed);
        }
    }

    private void CancelCall(uint call)
    {
        Request? request;
        lock (_lock)
        {
            _answering.Remove(call, out request);
        }

        if (request is not null && request.TryFail(new OperationCanceledException($"{request} was cancelled by its caller.")))
        {
            request.Host?.Cancel(request);
        }
    }

    private void Receive(uint call, WireReader reader)
    {
        var flags = (CallFlags)reader.Byte();
        var method = reader.Fixed64();
        var forwards = reader.Byte();
        var left = reader.Varint();
        var target = _targets.Find(reader.Span(), _runtime);
        var context = (flags & CallFlags.Context) != 0 ? CallHead.ReadContext(reader) : null;
        var chain = (flags & CallFlags.Chain) != 0 ? reader.Block() : null;
        var caller = new RemoteCaller(this, call, flags, chain);
        if ((flags & CallFlags.OneWay) == 0)
        {
            lock (_lock)
            {
                _unansweredCalls++;
            }
        }

        Request request;
        try
        {
            var known = _runtime.Manifest.MethodOf(method)
                ?? throw new OrleansException($"Silo {_runtime.Address} does not know the method {method:x16} that was called on {target.GrainId}: the two processes have different versions of its interface.");
            request = known.Rent is { } rent ? rent() : known.Stream!().ReadPull(reader);
            if (known.Rent is not null)
            {
                request.ReadArguments(reader);
            }
        }
        catch (Exception exception)
        {
            caller.Fail(exception);
            return;
        }

        request.Target = target;
        request.Caller = caller;
        request.Context = context;
        request.ReentrancyId = RequestContext.ReentrancyIdOf(context);
        request.Forwards = forwards;
        request.SentAt = _runtime.Time.GetTimestamp();
        request.Deadline = left == 0 ? long.MaxValue : request.SentAt + _runtime.TicksOf(TimeSpan.FromMilliseconds(Math.Min(left, int.MaxValue)));
        if ((flags & CallFlags.Cancellable) != 0)
        {
            request.BindRemote();
            lock (_lock)
            {
                _answering[call] = request;
            }
        }

        request.OpenRemote();
        _runtime.Receive(request);
    }
}
