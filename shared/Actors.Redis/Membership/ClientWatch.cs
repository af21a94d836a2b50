using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Loire.Actors.Redis;

/// <summary>Lets a process that is no member see the cluster: it has no row and no lease. Beside a silo in the same process it has nothing to do.</summary>
internal sealed class ClientWatch(ClusterWatch watch, MembershipView view, IOptions<RedisLeaseOptions> options, TimeProvider time, ILoggerFactory loggers, MemberLease? lease = null) : IHostedService
{
    private static readonly TimeSpan RetryDelay = TimeSpan.FromMilliseconds(100);

    private readonly ClusterLog _log = new(loggers.CreateLogger<ClientWatch>());

    public async Task StartAsync(CancellationToken cancellationToken)
    {
        if (lease is not null)
        {
            return;
        }

        await watch.StartAsync(cancellationToken);
        var began = time.GetTimestamp();
        while (true)
        {
            try
            {
                await view.Refresh(cancellationToken: cancellationToken);
                return;
            }
            catch (RedisUnavailableException exception) when (time.GetElapsedTime(began) < options.Value.JoinTimeout)
            {
                _log.BeatFailed(exception);
                await Task.Delay(RetryDelay, time, cancellationToken);
            }
        }
    }

    public Task StopAsync(CancellationToken cancellationToken) => lease is null ? watch.DisposeAsync().AsTask() : Task.CompletedTask;
}
