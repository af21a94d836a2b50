using System.Net;
using System.Net.Sockets;
using System.Text;
using StackExchange.Redis;

namespace Loire.Store.Redis;

/// <summary>One connection, with the scripts loaded. Used until it fails.</summary>
internal sealed class RedisConnection(ConnectionMultiplexer multiplexer) : IDisposable
{
    public IDatabase Database { get; } = multiplexer.GetDatabase();

    public void Dispose() => multiplexer.Dispose();
}

/// <summary>Makes connections that are known to work: the server answers, is a primary, and has the scripts.</summary>
internal sealed class RedisConnector
{
    private readonly RedisStoreOptions _options;
    private readonly ConfigurationOptions _configuration;

    public RedisConnector(RedisStoreOptions options, string name)
    {
        _options = options;
        _configuration = ConfigurationOptions.Parse(options.Connection);
        _configuration.ClientName = name;
        _configuration.AbortOnConnectFail = true;
        _configuration.ConnectRetry = 1;
        _configuration.ConnectTimeout = (int)options.ConnectTimeout.TotalMilliseconds;
        _configuration.SyncTimeout = (int)options.OperationTimeout.TotalMilliseconds;
        _configuration.ConfigurationChannel = ""; // nothing is announced: endpoints are configured
        _configuration.TieBreaker = "";
        Address = string.Join(", ", _configuration.EndPoints.Select(Describe));
    }

    public string Address { get; }

    /// <param name="failed">Told once the connection fails, from any thread.</param>
    /// <param name="cancellationToken">Ends the attempt.</param>
    public async Task<RedisConnection> ConnectAsync(Action<RedisConnection, Exception> failed, CancellationToken cancellationToken)
    {
        await ProbeAsync(cancellationToken);
        var multiplexer = await ConnectionMultiplexer.ConnectAsync(_configuration).WaitAsync(_options.ConnectTimeout * 2, cancellationToken);
        var connection = new RedisConnection(multiplexer);
        try
        {
            multiplexer.PreserveAsyncOrder = false;
            multiplexer.IncludeDetailInExceptions = false;
            await PrepareAsync(connection.Database).WaitAsync(_options.ConnectTimeout, cancellationToken);
            multiplexer.ConnectionFailed += (_, failure) =>
                failed(connection, failure.Exception ?? new IOException($"The connection failed ({failure.FailureType})."));
            return connection;
        }
        catch
        {
            connection.Dispose();
            throw;
        }
    }

    /// <summary>The library takes its whole time for a server that is down, or loads its data yet. One question over a bare connection says it at once.</summary>
    private async Task ProbeAsync(CancellationToken cancellationToken)
    {
        Exception? last = null;
        foreach (var endpoint in _configuration.EndPoints)
        {
            using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
            try
            {
                await AskWhetherReadyAsync(socket, endpoint, cancellationToken).WaitAsync(_options.ConnectTimeout, cancellationToken);
                return;
            }
            catch (Exception failure) when (failure is SocketException or TimeoutException or IOException)
            {
                last = failure;
            }
        }

        throw last ?? new InvalidOperationException("The connection string names no server.");
    }

    private async Task AskWhetherReadyAsync(Socket socket, EndPoint endpoint, CancellationToken cancellationToken)
    {
        await socket.ConnectAsync(endpoint, cancellationToken);
        if (_configuration.Ssl)
        {
            return;
        }

        await socket.SendAsync("PING\r\n"u8.ToArray(), cancellationToken);
        var bytes = new byte[64];
        var answer = Encoding.ASCII.GetString(bytes, 0, await socket.ReceiveAsync(bytes, cancellationToken));
        if (answer.Length == 0 || answer.StartsWith("-LOADING", StringComparison.Ordinal))
        {
            throw new IOException(answer.Length == 0 ? "The server closed the connection." : answer.Trim());
        }
    }

    private static async Task PrepareAsync(IDatabase database)
    {
        var loading = RedisScript.All.Select(script => (Task)database.ExecuteAsync("SCRIPT", "LOAD", script.Text)).ToList();
        var role = (RedisResult[])await database.ExecuteAsync("ROLE");
        await Task.WhenAll(loading);
        if ((string)role[0] != "master")
        {
            throw new IOException($"The server is a {(string)role[0]}; turns and sessions are written to a primary.");
        }
    }

    private static string Describe(EndPoint endpoint) => endpoint switch
    {
        DnsEndPoint name => $"{name.Host}:{name.Port}",
        _ => endpoint.ToString() ?? "?",
    };
}
