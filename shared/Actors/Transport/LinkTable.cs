using System.Collections.Concurrent;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using Loire.Actors.Calls;
using Microsoft.Extensions.DependencyInjection;
using Orleans.Runtime;

namespace Loire.Actors.Transport;

/// <summary>All links of this process, and the listener that others dial.</summary>
internal sealed class LinkTable(SiloRuntime runtime, TransportOptions options, string clusterId) : IDisposable
{
    private readonly ConcurrentDictionary<SiloAddress, Link> _links = new();
    private readonly ConcurrentDictionary<Connection, bool> _accepted = new();
    private readonly CancellationTokenSource _stop = new();
    private readonly RefusalProbe _probe = new(runtime, runtime.Services.GetService<IRefusedSilos>());
    private Socket? _listener;
    private ITimer? _keepAlive;
    private int _handshakes;

    public SiloRuntime Runtime => runtime;

    public TransportOptions Options => options;

    /// <summary>How many calls are on their way to other processes, or wait for that.</summary>
    public int Depth => _links.Values.Sum(link => link.Waiting + (link.Current?.Depth ?? 0));

    /// <summary>All that have, or had, a link.</summary>
    public ICollection<SiloAddress> Peers => _links.Keys;

    /// <summary>Lets a client be connected to all active silos, so that each can call its observers.</summary>
    public void OpenAll()
    {
        if (runtime.IsClient)
        {
            foreach (var member in runtime.Membership.CurrentSnapshot.Members.Values.Where(member => member.Status == SiloStatus.Active))
            {
                Get(member.SiloAddress).Open();
            }
        }
    }

    public Link Get(SiloAddress silo) => _links.TryGetValue(silo, out var link) ? link : _links.GetOrAdd(silo, new Link(this, silo));

    /// <summary>Clients are not dialled: they call, and are called back on their own connection.</summary>
    public bool CanDial(SiloAddress silo) => !_stop.IsCancellationRequested && !IsClient(silo);

    public static bool IsClient(SiloAddress address) => address.Endpoint.Address.Equals(IPAddress.Any);

    /// <summary>Begins to keep connections alive, and to listen if the process is a silo.</summary>
    /// <exception cref="OrleansConfigurationException">It would listen to the network without a secret.</exception>
    public void Start(IPEndPoint? endpoint)
    {
        _keepAlive = runtime.Time.CreateTimer(_ => KeepAlive(), null, options.KeepAlivePeriod, options.KeepAlivePeriod);
        if (options.ClusterSecret is { Length: < 16 })
        {
            throw new OrleansConfigurationException($"{nameof(TransportOptions)}.{nameof(TransportOptions.ClusterSecret)} has fewer than 16 characters: a short secret can be guessed.");
        }

        if (endpoint is null)
        {
            return;
        }

        if (options.ClusterSecret is null && !IPAddress.IsLoopback(endpoint.Address))
        {
            throw new OrleansConfigurationException(
                $"The silo would listen at {endpoint} without a secret: set {nameof(TransportOptions)}.{nameof(TransportOptions.ClusterSecret)}, or listen on the loopback address.");
        }

        var listener = new Socket(endpoint.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            listener.Bind(endpoint);
            listener.Listen(512);
        }
        catch (SocketException exception)
        {
            listener.Dispose();
            throw new OrleansConfigurationException($"The silo cannot listen at {endpoint}: {exception.Message}. Give it another port with ConfigureEndpoints.", exception);
        }

        _listener = listener;
        _ = Task.Run(AcceptAsync);
    }

    public async Task<Connection> DialAsync(SiloAddress silo)
    {
        var socket = new Socket(silo.Endpoint.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        ByteChannel channel = new SocketChannel(socket);
        try
        {
            socket.NoDelay = true;
            using var clock = new CancellationTokenSource(options.ConnectTimeout, runtime.Time);
            using var timeout = CancellationTokenSource.CreateLinkedTokenSource(clock.Token, _stop.Token);
            await socket.ConnectAsync(silo.Endpoint, timeout.Token).ConfigureAwait(false);
            if (options.TlsClient is { } tls)
            {
                var stream = new SslStream(new NetworkStream(socket, ownsSocket: true));
                channel = new TlsChannel(stream);
                await stream.AuthenticateAsClientAsync(tls, timeout.Token).ConfigureAwait(false);
            }

            await new Handshake(channel, clusterId, options.ClusterSecret, runtime.Address).DialAsync(silo, timeout.Token).ConfigureAwait(false);
        }
        catch
        {
            channel.Dispose();
            throw;
        }

        return new Connection(runtime, channel, options, silo, isDialled: true) { Closed = broken => _probe.Look(broken, _stop.Token) };
    }

    /// <summary>A silo is dead: its connections close, and its calls fail at once.</summary>
    public void End(SiloAddress silo)
    {
        var reason = new SiloUnavailableException($"Silo {silo} was declared dead.");
        Get(silo).End(reason);
        foreach (var connection in _accepted.Keys)
        {
            if (connection.Peer == silo)
            {
                connection.Close(reason);
            }
        }
    }

    public void TakeExpired(long now, List<Request> expired)
    {
        foreach (var (_, link) in _links)
        {
            link.TakeExpired(now, expired);
        }
    }

    /// <summary>Waits until all calls of others are answered, or sent back to where they go on.</summary>
    public async Task DrainAsync(CancellationToken cancellationToken)
    {
        _listener?.Dispose();
        await Task.WhenAll(_accepted.Keys.Select(connection => connection.IdleAsync())).WaitAsync(cancellationToken).ConfigureAwait(false);
        await Task.WhenAll(_accepted.Keys.Select(connection => connection.GoodbyeAsync())).WaitAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Closes all.</summary>
    public void Dispose()
    {
        if (_stop.IsCancellationRequested)
        {
            return;
        }

        _stop.Cancel();
        _keepAlive?.Dispose();
        _listener?.Dispose();
        var reason = new SiloUnavailableException($"{runtime.Address} has stopped.");
        foreach (var connection in _accepted.Keys)
        {
            connection.Close(reason);
        }

        foreach (var link in _links.Values)
        {
            link.End(reason);
        }
    }

    private async Task AcceptAsync()
    {
        while (!_stop.IsCancellationRequested)
        {
            Socket socket;
            try
            {
                socket = await _listener!.AcceptAsync(_stop.Token).ConfigureAwait(false);
            }
            catch (Exception exception) when (exception is OperationCanceledException or ObjectDisposedException)
            {
                return;
            }
            catch (SocketException)
            {
                continue; // the other side has gone before it was accepted
            }

            if (Interlocked.Increment(ref _handshakes) > options.PendingHandshakes)
            {
                Interlocked.Decrement(ref _handshakes);
                socket.Dispose();
                continue;
            }

            _ = AcceptAsync(socket);
        }
    }

    private async Task AcceptAsync(Socket socket)
    {
        ByteChannel channel = new SocketChannel(socket);
        try
        {
            socket.NoDelay = true;
            using var clock = new CancellationTokenSource(options.ConnectTimeout, runtime.Time);
            using var timeout = CancellationTokenSource.CreateLinkedTokenSource(clock.Token, _stop.Token);
            if (options.TlsServer is { } tls)
            {
                var stream = new SslStream(new NetworkStream(socket, ownsSocket: true));
                channel = new TlsChannel(stream);
                await stream.AuthenticateAsServerAsync(tls, timeout.Token).ConfigureAwait(false);
            }

            var peer = await new Handshake(channel, clusterId, options.ClusterSecret, runtime.Address).AcceptAsync(timeout.Token).ConfigureAwait(false);
            if (runtime.IsDead(peer))
            {
                throw new OrleansException($"{peer} was declared dead.");
            }

            Serve(new Connection(runtime, channel, options, peer, isDialled: false));
        }
        catch (Exception exception)
        {
            channel.Dispose();
            if (!_stop.IsCancellationRequested)
            {
                runtime.Log.HandshakeFailed(exception.Message);
            }
        }
        finally
        {
            Interlocked.Decrement(ref _handshakes);
        }
    }

    private void Serve(Connection connection)
    {
        _accepted.TryAdd(connection, true);
        connection.Closed = closed =>
        {
            _accepted.TryRemove(closed, out _);
            _probe.Look(closed, _stop.Token);
            if (IsClient(closed.Peer) && _links.TryGetValue(closed.Peer, out var left) && left.Current is null)
            {
                _links.TryRemove(new(closed.Peer, left));
            }
        };
        if (IsClient(connection.Peer))
        {
            Get(connection.Peer).Use(connection);
        }

        connection.Start();
        if (_stop.IsCancellationRequested)
        {
            connection.Close(new SiloUnavailableException($"{runtime.Address} has stopped."));
        }
    }

    private void KeepAlive()
    {
        OpenAll();
        foreach (var link in _links.Values)
        {
            link.Current?.KeepAlive();
        }

        foreach (var connection in _accepted.Keys)
        {
            connection.KeepAlive();
        }
    }
}
