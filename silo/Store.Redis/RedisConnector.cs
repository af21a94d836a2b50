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
        var configuration = _configuration.Clone();
        configuration.EndPoints.Clear();
        foreach (var endpoint in await FindReadyAsync(cancellationToken))
        {
            configuration.EndPoints.Add(endpoint);
        }

        var multiplexer = await ConnectionMultiplexer.ConnectAsync(configuration).WaitAsync(_options.ConnectTimeout * 2, cancellationToken);
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

    /// <summary>The servers that answer. The library takes its whole time for one that is down, or loads its data yet; a bare connection tells at once.</summary>
    private async Task<List<EndPoint>> FindReadyAsync(CancellationToken cancellationToken)
    {
        var asked = _configuration.EndPoints.Select(endpoint => (EndPoint: endpoint, Answer: AskWhetherReadyAsync(endpoint, cancellationToken))).ToList();
        var waiting = asked.ConvertAll(each => each.Answer);
        Exception? last = null;
        while (waiting.Count > 0)
        {
            var first = await Task.WhenAny(waiting);
            waiting.Remove(first);
            if (await first is not { } failure)
            {
                // The others have a moment: the one that was first may be a replica.
                await Task.WhenAny(Task.WhenAll(waiting), Task.Delay(_options.ReconnectEvery, cancellationToken));
                return [.. asked.Where(each => each.Answer is { IsCompletedSuccessfully: true } answer && answer.GetAwaiter().GetResult() is null).Select(each => each.EndPoint)];
            }

            last = failure;
        }

        throw last ?? new InvalidOperationException("The connection string names no server.");
    }

    /// <returns>Why not, or null.</returns>
    private async Task<Exception?> AskWhetherReadyAsync(EndPoint endpoint, CancellationToken cancellationToken)
    {
        using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
        try
        {
            await AskWhetherReadyAsync(socket, endpoint, cancellationToken).WaitAsync(_options.ConnectTimeout, cancellationToken);
            return null;
        }
        catch (Exception failure) when (failure is SocketException or TimeoutException or IOException)
        {
            return failure;
        }
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
