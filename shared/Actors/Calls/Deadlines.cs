using System.Collections.Concurrent;

namespace Loire.Actors.Calls;

/// <summary>Fails the calls that are not answered in time. Looks at the activations that have calls, every tenth of a second: a call costs no timer.</summary>
internal sealed class Deadlines(SiloRuntime runtime) : IDisposable
{
    private static readonly TimeSpan Period = TimeSpan.FromMilliseconds(100);

    private readonly ConcurrentQueue<Activation> _watched = new();
    private readonly Lock _routingLock = new();
    private readonly RequestList _routing = new();
    private ITimer? _timer;

    public int Routing
    {
        get
        {
            lock (_routingLock)
            {
                return _routing.Count;
            }
        }
    }

    public void Start() => _timer = runtime.Time.CreateTimer(static self => ((Deadlines)self!).Sweep(), this, Period, Period);

    /// <summary>An activation has calls with a deadline. It says so once, until a sweep finds none.</summary>
    public void Watch(Activation activation) => _watched.Enqueue(activation);

    /// <summary>A call waits for the directory or for placement.</summary>
    public void BeginRouting(Request request)
    {
        lock (_routingLock)
        {
            _routing.Add(request);
        }
    }

    public void EndRouting(Request request)
    {
        lock (_routingLock)
        {
            _routing.Remove(request);
        }
    }

    public void Dispose() => _timer?.Dispose();

    private void Sweep()
    {
        var now = runtime.Time.GetTimestamp();
        var expired = new List<Request>();
        for (var left = _watched.Count; left > 0 && _watched.TryDequeue(out var activation); left--)
        {
            if (activation.TakeExpired(now, expired))
            {
                _watched.Enqueue(activation);
            }

            activation.SweepStreams(now);
        }

        lock (_routingLock)
        {
            for (var request = _routing.First; request is not null; request = request.Next)
            {
                if (request.Deadline <= now && !request.IsAnswered)
                {
                    request.Share();
                    expired.Add(request);
                }
            }
        }

        runtime.Links.TakeExpired(now, expired);
        foreach (var request in expired)
        {
            Expire(request, now);
        }
    }

    private void Expire(Request request, long now)
    {
        var waited = runtime.Time.GetElapsedTime(request.SentAt, now);
        if (request.TryFail(new TimeoutException($"No answer within {waited.TotalSeconds:0.0} s: {CallChain.Describe(request)}."))
            && runtime.CancelRequestOnTimeout)
        {
            request.Host?.Cancel(request);
            request.SentOn?.Cancel(request.SentAs);
        }

        request.LetGo();
    }
}
