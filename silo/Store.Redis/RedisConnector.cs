using System.Net;
using Loire.Redis;
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
    private readonly RedisServers _servers;

    public RedisConnector(RedisStoreOptions options, string name)
    {
        _options = options;
        var configuration = ConfigurationOptions.Parse(options.Connection);
        configuration.ClientName = name;
        configuration.AllowAdmin = true; // to the library, INFO is such a command
        configuration.AbortOnConnectFail = true;
        configuration.ConnectRetry = 1;
        configuration.ConnectTimeout = (int)options.ConnectTimeout.TotalMilliseconds;
        configuration.SyncTimeout = (int)options.OperationTimeout.TotalMilliseconds;
        configuration.ConfigurationChannel = ""; // nothing is announced: endpoints are configured
        configuration.TieBreaker = "";
        configuration.IncludeDetailInExceptions = false;
        configuration.BacklogPolicy = BacklogPolicy.FailFast; // a link waits for its next connection itself
        configuration.Protocol = RedisProtocol.Resp3; // one socket, for messages too
        configuration.AsyncTimeout = (int)options.OperationTimeout.TotalMilliseconds;
        _servers = new RedisServers(configuration, options.ConnectTimeout, options.ReconnectEvery);
        Address = string.Join(", ", configuration.EndPoints.Select(Describe));
    }

    public string Address { get; }

    /// <param name="failed">Told once the connection fails, from any thread.</param>
    /// <param name="cancellationToken">Ends the attempt.</param>
    public async Task<RedisConnection> ConnectAsync(Action<RedisConnection, Exception> failed, CancellationToken cancellationToken)
    {
        var multiplexer = await ConnectionMultiplexer.ConnectAsync(await _servers.FindReadyAsync(cancellationToken));
        var connection = new RedisConnection(multiplexer);
        try
        {
            cancellationToken.ThrowIfCancellationRequested();
            await PrepareAsync(connection.Database).WaitAsync(_options.ConnectTimeout, cancellationToken);
            multiplexer.ConnectionFailed += (_, failure) =>
            {
                if (failure.FailureType != ConnectionFailureType.UnableToConnect) // another server of several is down, and is tried again now and then
                {
                    failed(connection, failure.Exception ?? new IOException($"The connection failed ({failure.FailureType})."));
                }
            };
            return connection;
        }
        catch
        {
            connection.Dispose();
            throw;
        }
    }

    private static async Task PrepareAsync(IDatabase database)
    {
        var loading = RedisScript.All.Select(script => (Task)database.ExecuteAsync("SCRIPT", "LOAD", script.Text)).ToList();
        var role = (await database.ExecuteAsync("ROLE")).Parts();
        await Task.WhenAll(loading);
        if (role[0].Text() != "master")
        {
            throw new IOException($"The server is a {role[0].Text()}; turns and sessions are written to a primary.");
        }
    }

    private static string Describe(EndPoint endpoint) => endpoint switch
    {
        DnsEndPoint name => $"{name.Host}:{name.Port}",
        _ => endpoint.ToString() ?? "?",
    };
}
