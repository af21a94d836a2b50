using Loire.Redis;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Orleans.Configuration;
using StackExchange.Redis;

namespace Loire.Actors.Redis;

/// <summary>Runs scripts on Redis, and makes a new connection as soon as one breaks.</summary>
/// <remarks>
/// The library looks for a way back once a second, and a lease may be shorter. So a broken connection is replaced as a whole:
/// a new one is tried every <see cref="RetryDelay"/>. A command that meets the break waits for the new one, within its time-out, and runs again;
/// each script gives the same answer when it runs twice.
/// </remarks>
internal sealed class RedisLink : IAsyncDisposable, IDisposable
{
    private const int MostUnderWay = 4_096;

    private static readonly TimeSpan RetryDelay = TimeSpan.FromMilliseconds(25);
    private static readonly TimeSpan ConnectTimeout = TimeSpan.FromSeconds(1);

    private readonly RedisServers _servers;
    private readonly Func<RedisClusteringOptions, Task<IConnectionMultiplexer>> _createMultiplexer;
    private readonly TimeSpan _commandTimeout;
    private readonly TimeProvider _time;
    private readonly ClusterLog _log;
    private readonly SemaphoreSlim _room = new(MostUnderWay);
    private readonly CancellationTokenSource _disposed = new();
    private readonly Lock _lock = new();
    private readonly List<(RedisChannel Channel, Action<RedisValue> Handler)> _subscriptions = [];
    private TaskCompletionSource<IConnectionMultiplexer>? _ready;
    private IConnectionMultiplexer? _current;
    private long _lastAnswer;

    public RedisLink(IOptions<RedisClusteringOptions> clustering, IOptions<RedisLeaseOptions> lease, TimeProvider time, ILoggerFactory loggers)
    {
        lease.Value.Validate();
        var configuration = clustering.Value.ConfigurationOptions.Clone();
        configuration.AbortOnConnectFail = true;
        configuration.ConnectTimeout = (int)ConnectTimeout.TotalMilliseconds;
        configuration.ConnectRetry = 1;
        configuration.BacklogPolicy = BacklogPolicy.FailFast; // a command waits for the next connection here
        configuration.Protocol = RedisProtocol.Resp3; // one socket, for messages too
        configuration.AsyncTimeout = (int)lease.Value.CommandTimeout.TotalMilliseconds;
        configuration.IncludeDetailInExceptions = false;
        _servers = new RedisServers(configuration, ConnectTimeout, RetryDelay);
        _createMultiplexer = clustering.Value.CreateMultiplexer;
        _commandTimeout = lease.Value.CommandTimeout;
        _time = time;
        _log = new ClusterLog(loggers.CreateLogger<RedisLink>());
        Address = string.Join(",", configuration.EndPoints.Select(EndPointCollection.ToString));
    }

    public string Address { get; }

    /// <summary>Raised when a connection has replaced another: messages may have been missed.</summary>
    public event Action? Reconnected;

    /// <summary>Hears a channel on this connection and on each later one.</summary>
    public async Task SubscribeAsync(RedisChannel channel, Action<RedisValue> handler, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            _subscriptions.Add((channel, handler));
        }

        // A connection that is being made takes the subscription along; one that is there gets it here.
        if (Ready().Task is { IsCompletedSuccessfully: true } ready)
        {
            await HearAsync(await ready, channel, handler).WaitAsync(_commandTimeout, _time, cancellationToken);
        }
    }

    /// <param name="script">What runs.</param>
    /// <param name="keys">Its keys.</param>
    /// <param name="values">Its arguments.</param>
    /// <param name="what">What is tried, for the message of a failure.</param>
    /// <param name="cancellationToken">Ends the wait, not what Redis may still do.</param>
    /// <exception cref="RedisUnavailableException">No answer within the command time-out, or a refusal.</exception>
    public async Task<RedisResult> EvalAsync(RedisScript script, RedisKey[] keys, RedisValue[] values, string what, CancellationToken cancellationToken = default)
    {
        var began = _time.GetTimestamp();
        using var timeout = new CancellationTokenSource(_commandTimeout, _time);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, cancellationToken, _disposed.Token);
        var attempt = new Attempt();
        try
        {
            await _room.WaitAsync(both.Token);
            try
            {
                attempt.Found = "gave no answer in time";
                return await EvalAsync(attempt, script, keys, values, both.Token);
            }
            finally
            {
                _room.Release();
            }
        }
        catch (Exception exception) when (exception is TimeoutException || (exception is OperationCanceledException && both.IsCancellationRequested))
        {
            cancellationToken.ThrowIfCancellationRequested();
            ObjectDisposedException.ThrowIf(_disposed.IsCancellationRequested, this);
            ReplaceIfSilent(attempt.Connection);
            throw Unavailable(attempt.Found, attempt.Reason ?? exception);
        }
        catch (RedisException exception)
        {
            throw Unavailable($"refused it: {exception.Message}", exception);
        }

        RedisUnavailableException Unavailable(string found, Exception reason)
        {
            ClusterMetrics.Failures.Add(1);
            return new(what, Address, _time.GetElapsedTime(began), found, reason);
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (_disposed.IsCancellationRequested)
        {
            return;
        }

        await _disposed.CancelAsync();
        IConnectionMultiplexer? current;
        lock (_lock)
        {
            current = _current;
            _current = null;
        }

        await CloseAsync(current);
    }

    /// <summary>For containers that dispose synchronously: ends, but does not wait.</summary>
    public void Dispose() => _ = DisposeAsync().AsTask();

    /// <summary>Tries until it is answered, refused or cancelled.</summary>
    private async Task<RedisResult> EvalAsync(Attempt attempt, RedisScript script, RedisKey[] keys, RedisValue[] values, CancellationToken cancellationToken)
    {
        while (true)
        {
            try
            {
                attempt.Connection = await Ready().Task.WaitAsync(cancellationToken);
                var result = await ExecuteAsync(attempt.Connection, script, keys, values).WaitAsync(cancellationToken);
                Volatile.Write(ref _lastAnswer, _time.GetTimestamp());
                return result;
            }
            catch (Exception exception) when (exception is RedisConnectionException or ObjectDisposedException || IsPassing(exception))
            {
                attempt.Found = $"is not reached: {exception.Message}";
                attempt.Reason = exception;
                Replace(attempt.Connection);
                await Task.Delay(RetryDelay, _time, cancellationToken); // a replica that refuses answers at once
            }
        }
    }

    private static async Task<RedisResult> ExecuteAsync(IConnectionMultiplexer connection, RedisScript script, RedisKey[] keys, RedisValue[] values)
    {
        var database = connection.GetDatabase();
        object[] arguments = [script.Digest, keys.Length, .. keys.Cast<object>(), .. values.Cast<object>()];
        try
        {
            return await database.ExecuteAsync("EVALSHA", arguments);
        }
        catch (RedisServerException exception) when (exception.Message.StartsWith("NOSCRIPT", StringComparison.Ordinal))
        {
            arguments[0] = script.Text; // a Redis that has just started; it knows the digest from here on
            return await database.ExecuteAsync("EVAL", arguments);
        }
    }

    /// <summary>Redis is there and will take commands soon, or another one will: it loads its file, or is a replica now.</summary>
    private static bool IsPassing(Exception exception) =>
        exception is RedisServerException { Message: var message }
        && (message.StartsWith("LOADING", StringComparison.Ordinal) || message.StartsWith("READONLY", StringComparison.Ordinal) || message.StartsWith("MASTERDOWN", StringComparison.Ordinal));

    private static async Task HearAsync(IConnectionMultiplexer connection, RedisChannel channel, Action<RedisValue> handler) =>
        await connection.GetSubscriber().SubscribeAsync(channel, (_, value) => handler(value));

    private static async Task CloseAsync(IConnectionMultiplexer? connection)
    {
        try
        {
            await (connection?.CloseAsync(allowCommandsToComplete: false) ?? Task.CompletedTask);
            connection?.Dispose();
        }
        catch (Exception exception) when (exception is RedisException or ObjectDisposedException or TimeoutException or AggregateException)
        {
            // It was broken before.
        }
    }

    private TaskCompletionSource<IConnectionMultiplexer> Ready()
    {
        lock (_lock)
        {
            if (_ready is null)
            {
                _ready = new(TaskCreationOptions.RunContinuationsAsynchronously);
                _ = ConnectAsync(null, _ready);
            }

            return _ready;
        }
    }

    private void Replace(IConnectionMultiplexer? broken)
    {
        lock (_lock)
        {
            if (broken is null || broken != _current || _disposed.IsCancellationRequested)
            {
                return;
            }

            _current = null;
            _ready = new(TaskCreationOptions.RunContinuationsAsynchronously);
            _ = ConnectAsync(broken, _ready);
        }
    }

    /// <summary>A connection on which nothing has come for several time-outs may be half open, which only a new one can tell.</summary>
    private void ReplaceIfSilent(IConnectionMultiplexer? connection)
    {
        if (_time.GetElapsedTime(Volatile.Read(ref _lastAnswer)) > _commandTimeout * 2.5)
        {
            Replace(connection);
        }
    }

    private async Task ConnectAsync(IConnectionMultiplexer? broken, TaskCompletionSource<IConnectionMultiplexer> ready)
    {
        await Task.Yield(); // out of the lock
        var began = _time.GetTimestamp();
        for (var attempt = 0; !_disposed.IsCancellationRequested; attempt++)
        {
            try
            {
                var connection = await OpenAsync();
                if (!TryAdopt(connection, ready))
                {
                    await CloseAsync(connection);
                    break;
                }

                ClusterMetrics.Connections.Add(1);
                _log.Connected(Address, _time.GetElapsedTime(began).TotalMilliseconds);
                break;
            }
            catch (Exception exception) when (exception is not OutOfMemoryException)
            {
                if (attempt == 0 && !_disposed.IsCancellationRequested)
                {
                    _log.NotConnected(exception, Address);
                }

                await Task.Delay(RetryDelay, _time, CancellationToken.None);
            }
        }

        if (broken is not null)
        {
            Reconnected?.Invoke();
            await CloseAsync(broken);
        }
    }

    /// <summary>A connection on which Redis answers, with all subscriptions.</summary>
    private async Task<IConnectionMultiplexer> OpenAsync()
    {
        var ready = await _servers.FindReadyAsync(_disposed.Token);
        var connection = await _createMultiplexer(new() { ConfigurationOptions = ready, CreateMultiplexer = _createMultiplexer });
        try
        {
            await connection.GetDatabase().ExecuteAsync("EVAL", "return redis.call('TIME')", 0).WaitAsync(ConnectTimeout, _time, _disposed.Token);
            foreach (var (channel, handler) in SubscriptionsNow())
            {
                await HearAsync(connection, channel, handler).WaitAsync(ConnectTimeout, _time, _disposed.Token);
            }

            return connection;
        }
        catch
        {
            await CloseAsync(connection);
            throw;
        }
    }

    private (RedisChannel Channel, Action<RedisValue> Handler)[] SubscriptionsNow()
    {
        lock (_lock)
        {
            return [.. _subscriptions];
        }
    }

    /// <returns>False when the link is closed, and nobody else will close the connection.</returns>
    private bool TryAdopt(IConnectionMultiplexer connection, TaskCompletionSource<IConnectionMultiplexer> ready)
    {
        connection.ConnectionFailed += (_, failure) =>
        {
            if (failure.FailureType != ConnectionFailureType.UnableToConnect) // another server of several is down, and is tried again now and then
            {
                Replace(connection);
            }
        };
        Volatile.Write(ref _lastAnswer, _time.GetTimestamp());
        lock (_lock)
        {
            if (_disposed.IsCancellationRequested)
            {
                return false;
            }

            _current = connection;
        }

        ready.SetResult(connection);
        if (!connection.IsConnected)
        {
            Replace(connection); // it broke before anybody listened
        }

        return true;
    }

    /// <summary>How far one operation has come, for the message of its failure.</summary>
    private sealed class Attempt
    {
        public IConnectionMultiplexer? Connection { get; set; }

        public string Found { get; set; } = $"has {MostUnderWay} operations under way already";

        public Exception? Reason { get; set; }
    }
}
