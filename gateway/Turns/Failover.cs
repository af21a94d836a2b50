using Loire.Contracts;
using Orleans.Runtime;

namespace Loire.Gateway;

/// <summary>Which failures of the cluster pass by themselves, and how long the gateway waits for that on behalf of its clients.</summary>
internal sealed partial class Failover(GatewayOptions options, GatewayMetrics metrics, TimeProvider time, ILogger<Failover> logger)
{
    private static readonly TimeSpan FirstWait = TimeSpan.FromMilliseconds(10);
    private static readonly TimeSpan LongestWait = TimeSpan.FromMilliseconds(320);

    /// <summary>Whether the same call may well succeed on another silo, or on this one in a moment.</summary>
    /// <param name="fault">What happened.</param>
    /// <param name="started">Whether the turn had begun: then it is worth more patience than one that can still be refused with a status.</param>
    public static bool IsPassing(Exception fault, bool started) => fault switch
    {
        ClusterException { Code: FailureCode.ReplicaLost or FailureCode.SessionMoved or FailureCode.StaleEpoch } => true,
        ClusterException { Code: FailureCode.NoCapacity or FailureCode.StoreUnavailable, RetryAfter: not null } => started,
        OrleansException or EnumerationAbortedException or TimeoutException => true,
        _ => false,
    };

    /// <summary>Calls something that changes nothing until it answers.</summary>
    public async Task<T> ReadAsync<T>(Func<Task<T>> read, CancellationToken cancellationToken)
    {
        var outage = new Outage(this);
        while (true)
        {
            try
            {
                return await read();
            }
            catch (Exception fault) when (IsPassing(fault, started: false) && !cancellationToken.IsCancellationRequested)
            {
                await outage.WaitAsync(fault, cancellationToken);
            }
        }
    }

    public Outage Begin() => new(this);

    /// <summary>From the first failure to the next success.</summary>
    internal sealed class Outage(Failover failover)
    {
        private readonly long _since = failover.Time.GetTimestamp();
        private TimeSpan _wait = FirstWait;

        /// <summary>Waits before the next attempt, a little longer each time.</summary>
        /// <exception cref="Exception">The failure itself, when the patience is at its end.</exception>
        public async Task WaitAsync(Exception fault, CancellationToken cancellationToken)
        {
            if (failover.Time.GetElapsedTime(_since) >= failover.Timeout)
            {
                failover.Metrics.GivenUp();
                System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(fault);
            }

            failover.LogWaiting(fault.Message);
            await Task.Delay(_wait, failover.Time, cancellationToken);
            _wait = _wait * 2 < LongestWait ? _wait * 2 : LongestWait;
        }

        /// <summary>A stream goes on.</summary>
        public void End() => failover.Metrics.WentOn(failover.Time.GetElapsedTime(_since));
    }

    [LoggerMessage(LogLevel.Information, "A call to the cluster is tried again: {Fault}")]
    private partial void LogWaiting(string fault);

    private TimeProvider Time => time;

    private TimeSpan Timeout => options.FailoverTimeout;

    private GatewayMetrics Metrics => metrics;
}
