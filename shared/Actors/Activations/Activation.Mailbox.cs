using Loire.Actors.Calls;
using Orleans.Runtime;

namespace Loire.Actors;

internal sealed partial class Activation
{
    private readonly RequestList _waiting = new();
    private readonly RequestList _ready = new();
    private readonly RequestList _running = new();
    private readonly Dictionary<Guid, int> _sections = [];
    private Request? _exclusive;
    private int _readers;
    private bool _watched;
    private long _lastUsed;

    /// <summary>The call that keeps others out; null when there is none.</summary>
    public Request? RunningExclusive => Volatile.Read(ref _exclusive);

    /// <summary>Takes a call: it starts, waits, or is refused because too many wait. False when the activation has ended: it belongs to the successor.</summary>
    public bool TryReceive(Request request)
    {
        var start = false;
        var watch = false;
        var refuse = false;
        lock (_lock)
        {
            if (_state == ActivationState.Ended)
            {
                return false;
            }

            refuse = _waiting.Count >= Runtime.WaitingLimit && request.IsBounded && !MayStart(request);
            if (!refuse)
            {
                request.Host = this;
                Admit(request);
                start = ClaimSchedule();
                if (!_watched && request.Deadline != long.MaxValue)
                {
                    _watched = watch = true;
                }
            }
        }

        if (refuse)
        {
            Refuse(request);
            return true;
        }

        if (watch)
        {
            Runtime.Deadlines.Watch(this);
        }

        if (start)
        {
            Transport.ReaderSlot.Schedule(this);
        }

        return true;
    }

    /// <summary>Called by a request whose turn is over; lets in who waited for it.</summary>
    public void OnTurnEnded(Request request)
    {
        request.OnLeft();
        bool start;
        TaskCompletionSource? quiet = null;
        lock (_lock)
        {
            _running.Remove(request);
            if (request.KeepsAlive)
            {
                Touch();
            }

            Vacate(request);
            AdmitAfterTurn();
            if (_quiet is not null && IsQuiet())
            {
                quiet = _quiet;
                _quiet = null;
            }

            start = ClaimSchedule();
        }

        quiet?.SetResult();
        if (start)
        {
            ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: true);
        }
    }

    /// <summary>Calls of this chain may come in while the running one waits.</summary>
    public void EnterReentrantSection(Guid chain)
    {
        lock (_lock)
        {
            _sections[chain] = _sections.GetValueOrDefault(chain) + 1;
            AdmitAll();
        }

        // The section is entered by this activation's own turn, whose slice finds what was let in.
    }

    public void LeaveReentrantSection(Guid chain)
    {
        lock (_lock)
        {
            if (_sections.TryGetValue(chain, out var count) && count > 1)
            {
                _sections[chain] = count - 1;
            }
            else
            {
                _sections.Remove(chain);
            }
        }
    }

    /// <summary>Takes a call back that nobody waits for any more: out of the queue, or by its token if it runs.</summary>
    public void Cancel(Request request)
    {
        bool waited;
        bool runs;
        lock (_lock)
        {
            waited = _waiting.Remove(request);
            runs = !waited && request.List == _running;
            if (runs)
            {
                request.Share();
            }
        }

        if (waited)
        {
            request.LetGo();
        }
        else if (runs)
        {
            Post(() =>
            {
                request.SignalCancellation();
                request.LetGo();
                return Task.CompletedTask;
            });
        }
    }

    /// <summary>Adds the calls whose time is up to <paramref name="expired"/>, each with a share of its own. Waiting ones leave the queue.</summary>
    /// <returns>Whether it has to be looked at again: calls remain that have a deadline, or streams.</returns>
    public bool TakeExpired(long now, List<Request> expired)
    {
        lock (_lock)
        {
            var more = false;
            for (var request = _waiting.First; request is not null;)
            {
                var next = request.Next;
                more |= request.Deadline != long.MaxValue;
                if (request.Deadline <= now && !request.IsAnswered)
                {
                    // The list's own share goes to the taker.
                    _waiting.Remove(request);
                    expired.Add(request);
                }

                request = next;
            }

            more |= TakeExpired(_ready, now, expired);
            more |= TakeExpired(_running, now, expired);
            more |= _streams.Count > 0;
            _watched = more;
            return more;
        }
    }

    /// <summary>Calls that wait, and calls that run.</summary>
    public (int Waiting, int Running, int Streams) Depth()
    {
        lock (_lock)
        {
            return (_waiting.Count, _ready.Count + _running.Count, _streams.Count);
        }
    }

    /// <summary>The call that has waited longest, for tests.</summary>
    public Request? FirstWaiting()
    {
        lock (_lock)
        {
            return _waiting.First;
        }
    }

    private static bool TakeExpired(RequestList list, long now, List<Request> expired)
    {
        var more = false;
        for (var request = list.First; request is not null; request = request.Next)
        {
            more |= request.Deadline != long.MaxValue;
            if (request.Deadline <= now && !request.IsAnswered)
            {
                request.Share();
                expired.Add(request);
            }
        }

        return more;
    }

    private bool MayStart(Request request)
    {
        if (_state != ActivationState.Valid)
        {
            return false;
        }

        if (Class.IsReentrant || (request.Options & CallOptions.AlwaysInterleave) != 0)
        {
            return true;
        }

        return (_exclusive is null && (_readers == 0 || (request.Options & CallOptions.ReadOnly) != 0))
            || (request.ReentrancyId != Guid.Empty && _sections.ContainsKey(request.ReentrancyId));
    }

    private void Admit(Request request)
    {
        if (MayStart(request))
        {
            Occupy(request);
            _ready.Add(request);
        }
        else
        {
            _waiting.Add(request);
        }
    }

    private void Occupy(Request request)
    {
        if (Class.IsReentrant || (request.Options & CallOptions.AlwaysInterleave) != 0 || _exclusive is not null)
        {
            request.Kind = TurnKind.Interleaved;
        }
        else if ((request.Options & CallOptions.ReadOnly) != 0)
        {
            request.Kind = TurnKind.Reader;
            _readers++;
        }
        else if (_readers > 0)
        {
            // Comes back into a reader's own chain.
            request.Kind = TurnKind.Interleaved;
        }
        else
        {
            request.Kind = TurnKind.Exclusive;
            _exclusive = request;
        }
    }

    private void Vacate(Request request)
    {
        if (request.Kind == TurnKind.Exclusive)
        {
            _exclusive = null;
        }
        else if (request.Kind == TurnKind.Reader)
        {
            _readers--;
        }
    }

    private void AdmitAfterTurn()
    {
        if (_state != ActivationState.Valid || _exclusive is not null || _readers > 0 || _waiting.First is not { } first)
        {
            return;
        }

        if ((first.Options & CallOptions.ReadOnly) != 0)
        {
            AdmitAll();
        }
        else
        {
            Release(first);
        }
    }

    private void AdmitAll()
    {
        for (var request = _waiting.First; request is not null;)
        {
            var next = request.Next;
            if (MayStart(request))
            {
                Release(request);
            }

            request = next;
        }
    }

    private void Release(Request request)
    {
        _waiting.Remove(request);
        Occupy(request);
        _ready.Add(request);
    }

    private bool ClaimSchedule()
    {
        if (_scheduled || _ready.Count == 0)
        {
            return false;
        }

        return _scheduled = true;
    }

    /// <summary>Whether nothing runs that the end of the activation waits for.</summary>
    private bool IsQuiet()
    {
        return None(_ready) && None(_running);

        static bool None(RequestList list)
        {
            for (var request = list.First; request is not null; request = request.Next)
            {
                if (request.DelaysEnd)
                {
                    return false;
                }
            }

            return true;
        }
    }

    private void Refuse(Request request)
    {
        request.TryFail(new LimitExceededException(
            "MaxEnqueuedRequestsHardLimit", Runtime.WaitingLimit, Runtime.WaitingLimit, $"at {GrainId} for {request.Method}: call less, or let calls interleave."));
        request.LetGo();
    }

    private void Touch() => _lastUsed = Runtime.Time.GetTimestamp();
}
