using Loire.Actors.Calls;
using Orleans.Runtime;

namespace Loire.Actors.Transport;

/// <summary>The way to one life of one silo, or to one client: a connection, made when it is needed and made again when it broke.</summary>
internal sealed class Link(LinkTable table, SiloAddress peer)
{
    private readonly Lock _lock = new();
    private readonly RequestList _waiting = new();
    private Connection? _current;
    private bool _isDialling;
    private bool _isDead;

    public SiloAddress Peer => peer;

    public Connection? Current => Volatile.Read(ref _current) is { IsOpen: true } open ? open : null;

    private bool TakesCalls => Volatile.Read(ref _current) is not { IsOpen: true, TakesCalls: false };


    /// <summary>How many calls wait for the connection.</summary>
    public int Waiting
    {
        get
        {
            lock (_lock)
            {
                return _waiting.Count;
            }
        }
    }

    /// <summary>Sends a call on a connection that stands; false when there is none.</summary>
    public bool TrySend(Request request) => Volatile.Read(ref _current) is { } current && current.TrySend(request);

    /// <summary>Sends a call, once there is a connection. A call that cannot be sent is routed again.</summary>
    public void Send(Request request)
    {
        if (TrySend(request))
        {
            return;
        }

        var dial = false;
        Exception? refusal = null;
        lock (_lock)
        {
            if (Current?.TrySend(request) == true)
            {
                return;
            }

            if (_isDead || !TakesCalls || !table.CanDial(peer))
            {
                refusal = new SiloUnavailableException($"{peer} is gone.");
            }
            else if (_waiting.Count >= table.Options.WaitingCalls)
            {
                refusal = new LimitExceededException(nameof(TransportOptions.WaitingCalls), _waiting.Count, table.Options.WaitingCalls, $"for a connection to {peer}.");
            }
            else
            {
                _waiting.Add(request);
                dial = !_isDialling;
                _isDialling = true;
            }
        }

        if (refusal is LimitExceededException)
        {
            request.TryFail(refusal);
            request.LetGo();
        }
        else if (refusal is not null)
        {
            table.Runtime.Unreachable(request, peer, refusal);
        }
        else if (dial)
        {
            _ = Task.Run(DialAsync);
        }
    }

    /// <summary>Connects, if there is no connection; for clients, who are called back on it.</summary>
    public void Open()
    {
        lock (_lock)
        {
            if (Current is not null || _isDialling || _isDead)
            {
                return;
            }

            _isDialling = true;
        }

        _ = Task.Run(DialAsync);
    }

    /// <summary>Uses a connection that the other side opened: a client's.</summary>
    public void Use(Connection connection)
    {
        lock (_lock)
        {
            Volatile.Write(ref _current, connection);
        }
    }

    /// <summary>Adds the calls whose time is up.</summary>
    public void TakeExpired(long now, List<Request> expired)
    {
        Current?.TakeExpired(now, expired);
        lock (_lock)
        {
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

    /// <summary>Closes the link for good.</summary>
    public void End(Exception reason)
    {
        List<Request> unsent;
        lock (_lock)
        {
            _isDead = true;
            unsent = TakeWaiting();
        }

        Volatile.Read(ref _current)?.Close(reason);
        foreach (var request in unsent)
        {
            table.Runtime.Unreachable(request, peer, reason);
        }
    }

    private async Task DialAsync()
    {
        try
        {
            var connection = await table.DialAsync(peer).ConfigureAwait(false);
            lock (_lock)
            {
                _isDialling = false;
                if (_isDead)
                {
                    connection.Close(new SiloUnavailableException($"{peer} is gone."));
                    return;
                }

                // In order: those that waited go before those that find the connection.
                while (_waiting.First is { } request)
                {
                    _waiting.Remove(request);
                    if (!connection.TrySend(request))
                    {
                        table.Runtime.Unreachable(request, peer, new IOException("The connection broke as soon as it stood."));
                    }
                }

                Volatile.Write(ref _current, connection);
            }

            connection.Start();
        }
        catch (Exception exception)
        {
            List<Request> unsent;
            lock (_lock)
            {
                _isDialling = false;
                unsent = TakeWaiting();
            }

            table.Runtime.Log.DialFailed(peer, exception.Message);
            foreach (var request in unsent)
            {
                table.Runtime.Unreachable(request, peer, exception);
            }
        }
    }

    private List<Request> TakeWaiting()
    {
        var taken = new List<Request>();
        while (_waiting.First is { } request)
        {
            _waiting.Remove(request);
            taken.Add(request);
        }

        return taken;
    }
}
