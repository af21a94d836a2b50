using System.Collections.Concurrent;

namespace Loire.Actors.Calls;

/// <summary>Requests of one method that wait to be used again: at most 256, and those beyond are left to the collector.</summary>
public sealed class RequestPool<TRequest>
    where TRequest : Request, new()
{
    private const int Capacity = 256;

    private readonly ConcurrentQueue<TRequest> _rest = new();
    private TRequest? _first;
    private int _count;

    /// <summary>A request without arguments.</summary>
    public TRequest Rent()
    {
        var first = _first;
        if (first is not null && Interlocked.CompareExchange(ref _first, null, first) == first)
        {
            return first;
        }

        if (_rest.TryDequeue(out var request))
        {
            Interlocked.Decrement(ref _count);
            return request;
        }

        return new TRequest();
    }

    /// <summary>Takes a request back. Nobody may hold it any more.</summary>
    public void Return(TRequest request)
    {
        if (_first is null && Interlocked.CompareExchange(ref _first, request, null) is null)
        {
            return;
        }

        if (Interlocked.Increment(ref _count) <= Capacity)
        {
            _rest.Enqueue(request);
        }
        else
        {
            Interlocked.Decrement(ref _count);
        }
    }
}
