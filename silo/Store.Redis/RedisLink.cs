using System.Diagnostics;
using Microsoft.Extensions.Logging;
using StackExchange.Redis;

namespace Loire.Store.Redis;

/// <summary>A connection to Redis that is replaced as soon as it fails, and a bound on how long anything asked over it takes.</summary>
/// <remarks>
/// <para>The client library looks after its connections once a second; a commit should not wait for that. Here, the first failure of a
/// connection puts it out of use, and new ones are tried until one answers: some tens of milliseconds after Redis is back.</para>
/// <para>A command whose connection fails is asked again on the next one until its time is over. All that the store asks may be asked twice.</para>
/// </remarks>
internal sealed partial class RedisLink : IAsyncDisposable
{
    private readonly RedisStoreOptions _options;
    private readonly RedisConnector _connector;
    private readonly ILogger _logger;
    private readonly CancellationTokenSource _closed = new();
    private readonly Lock _lock = new();
    private TaskCompletionSource<RedisConnection> _up = NewUp();
    private Task _connecting = Task.CompletedTask;
    private volatile Exception? _lastFailure;

    /// <param name="options">Where Redis is, and how long to wait.</param>
    /// <param name="name">What the connection is for; Redis lists it.</param>
    /// <param name="logger">Told when the connection fails and when it is back.</param>
    public RedisLink(RedisStoreOptions options, string name, ILogger logger)
    {
        (_options, _logger) = (options, logger);
        _connector = new RedisConnector(options, name);
        Reconnect();
    }

    public string Address => _connector.Address;

    /// <summary>Connections that failed and were replaced.</summary>
    public long Reconnects { get; private set; }

    public bool IsConnected => _up.Task.IsCompletedSuccessfully;

    /// <summary>Asks one thing, again on another connection if need be, within <see cref="RedisStoreOptions.OperationTimeout"/>.</summary>
    public async Task<T> AskAsync<T>(string tried, Func<IDatabase, Task<T>> ask)
    {
        var start = Stopwatch.GetTimestamp();
        while (true)
        {
            var connection = await ConnectedAsync(tried, start);
            try
            {
                return await ask(connection.Database).WaitAsync(Remaining(start));
            }
            catch (TimeoutException failure)
            {
                Replace(connection, failure);
                throw RedisFaults.Slow(tried, Address, _options.OperationTimeout, failure);
            }
            catch (Exception failure) when (RedisFaults.IsFull(failure))
            {
                throw RedisFaults.Full(tried, Address, failure);
            }
            catch (Exception failure) when (RedisFaults.IsUnknownScript(failure) || RedisFaults.IsPassing(failure))
            {
                ObjectDisposedException.ThrowIf(_closed.IsCancellationRequested, typeof(RedisStore));
                Replace(connection, failure); // a new connection loads the scripts
            }
            catch (RedisServerException failure) when (!RedisFaults.IsForeign(failure))
            {
                throw RedisFaults.Refused(tried, Address, failure);
            }
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _closed.CancelAsync();
        RedisConnection? last = null;
        lock (_lock)
        {
            if (!_up.TrySetException(new ObjectDisposedException(nameof(RedisStore), "The store is closed.")) && _up.Task.IsCompletedSuccessfully)
            {
                last = _up.Task.GetAwaiter().GetResult();
            }
        }

        _ = _up.Task.Exception;
        await _connecting;
        last?.Dispose();
    }

    private static TaskCompletionSource<RedisConnection> NewUp() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    private TimeSpan Remaining(long start) =>
        _options.OperationTimeout - Stopwatch.GetElapsedTime(start) is var rest && rest > TimeSpan.Zero ? rest : TimeSpan.Zero;

    private async ValueTask<RedisConnection> ConnectedAsync(string tried, long start)
    {
        var up = Volatile.Read(ref _up).Task;
        if (up.IsCompletedSuccessfully)
        {
            return await up;
        }

        try
        {
            return await up.WaitAsync(Remaining(start));
        }
        catch (TimeoutException)
        {
            throw RedisFaults.Unavailable(tried, Address, _options.OperationTimeout, _lastFailure);
        }
    }

    /// <summary>Puts a connection out of use and looks for the next. Of several who saw it fail, one does so.</summary>
    private void Replace(RedisConnection connection, Exception failure)
    {
        lock (_lock)
        {
            if (_closed.IsCancellationRequested || !_up.Task.IsCompletedSuccessfully || _up.Task.GetAwaiter().GetResult() != connection)
            {
                return;
            }

            _lastFailure = failure;
            Reconnects++;
            _up = NewUp();
            Reconnect();
        }

        LogLost(_logger, Address, failure.Message);
        _ = Task.Run(connection.Dispose);
    }

    private void Reconnect() => _connecting = Task.Run(ReconnectAsync);

    private async Task ReconnectAsync()
    {
        var start = Stopwatch.GetTimestamp();
        while (!_closed.IsCancellationRequested)
        {
            try
            {
                var connection = await _connector.ConnectAsync(Replace, _closed.Token);
                if (_up.TrySetResult(connection))
                {
                    var elapsed = Stopwatch.GetElapsedTime(start);
                    LogConnected(_logger, Address, elapsed);
                }
                else
                {
                    connection.Dispose();
                }

                return;
            }
            catch (OperationCanceledException) when (_closed.IsCancellationRequested)
            {
                return;
            }
            catch (Exception failure)
            {
                _lastFailure = failure;
            }

            await Task.Delay(_options.ReconnectEvery, _closed.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "The connection to Redis at {Address} is lost: {Failure}")]
    private static partial void LogLost(ILogger logger, string address, string failure);

    [LoggerMessage(Level = LogLevel.Information, Message = "Connected to Redis at {Address} after {Elapsed}")]
    private static partial void LogConnected(ILogger logger, string address, TimeSpan elapsed);
}
