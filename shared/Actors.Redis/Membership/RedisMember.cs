using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Orleans.Runtime;
using Orleans.Runtime.MembershipService.SiloMetadata;

namespace Loire.Actors.Redis;

/// <summary>Takes this silo into the cluster and out of it, as the silo announces where it is in its life.</summary>
/// <remarks>
/// Joining takes a lease; the silo leaves when its grains have ended, so that they can unregister.
/// When the lease is lost there is nothing more to announce: the process is told to stop.
/// </remarks>
internal sealed class RedisMember(
    ILocalSiloDetails local,
    MembershipTable table,
    MembershipView view,
    ClusterWatch watch,
    ClusterKeys keys,
    MemberLease lease,
    IOptions<RedisLeaseOptions> options,
    IOptions<SiloMetadata> metadata,
    TimeProvider time,
    ILoggerFactory loggers,
    IServiceProvider services) : ISiloAnnouncer
{
    private const int PoolThreads = 32;

    private static readonly TimeSpan JoinRetryDelay = TimeSpan.FromMilliseconds(100);

    private readonly ClusterLog _log = new(loggers.CreateLogger<RedisMember>());

    /// <exception cref="OrleansException">A silo with this address has been a member before.</exception>
    /// <exception cref="RedisUnavailableException">Redis was not there within the time to join, or to become active.</exception>
    /// <exception cref="StaleMemberException">The lease was lost before the silo was active.</exception>
    public Task AnnounceAsync(SiloStatus status, CancellationToken cancellationToken = default) => status switch
    {
        SiloStatus.Joining => JoinAsync(cancellationToken),
        SiloStatus.Active => BecomeAsync(status, cancellationToken),
        SiloStatus.ShuttingDown or SiloStatus.Stopping => SayAsync(status, cancellationToken),
        SiloStatus.Dead => LeaveAsync(cancellationToken),
        _ => throw new ArgumentOutOfRangeException(nameof(status), status, "A silo announces that it joins, is active, shuts down, stops or is dead."),
    };

    /// <summary>On two cores the pool begins with two threads and grows by two a second: a few blocked ones would hold renewals up for longer than a lease.</summary>
    private static void WidenPool()
    {
        ThreadPool.GetMinThreads(out var workers, out var completions);
        ThreadPool.SetMinThreads(Math.Max(workers, PoolThreads), Math.Max(completions, PoolThreads));
    }

    private async Task JoinAsync(CancellationToken cancellationToken)
    {
        WidenPool();
        await watch.StartAsync(cancellationToken);
        lease.Lost.UnsafeRegister(static member => ((RedisMember)member!).OnLost(), this);
        var row = new MemberRow
        {
            Name = local.Name,
            Status = SiloStatus.Joining,
            Gateway = local.GatewayAddress.ToParsableString(),
            Lease = (long)options.Value.Lease.TotalMilliseconds,
            Nonce = Guid.NewGuid().ToString("N"),
            Metadata = new(metadata.Value.Metadata),
        };
        var (epoch, version, askedAt) = await JoinAsync(row, cancellationToken);
        lease.Begin(epoch, askedAt);
        _log.Joined(local.SiloAddress, keys.ClusterId, epoch, version);
        await view.Refresh(new(version), cancellationToken);
    }

    private async Task BecomeAsync(SiloStatus status, CancellationToken cancellationToken)
    {
        var version = await table.SetStatusAsync(local.SiloAddress, status, cancellationToken);
        if (version == 0)
        {
            lease.Lose("it is not among the members");
            throw new StaleMemberException(local.SiloAddress, $"Becoming {status}", lease.LostReason);
        }

        await view.Refresh(new(version), cancellationToken);
    }

    /// <summary>Like becoming, but a silo that stops does so all the same when nobody hears it.</summary>
    private async Task SayAsync(SiloStatus status, CancellationToken cancellationToken)
    {
        try
        {
            if (lease.IsHeld)
            {
                await BecomeAsync(status, cancellationToken);
            }
        }
        catch (Exception exception) when (exception is OrleansException or OperationCanceledException)
        {
            _log.LeaveFailed(exception, local.SiloAddress);
        }
    }

    private async Task LeaveAsync(CancellationToken cancellationToken)
    {
        try
        {
            if (lease.IsHeld)
            {
                lease.Leave();
                await table.BuryAsync(local.SiloAddress, "itself, as it left", cancellationToken: cancellationToken);
                await watch.SweepAsync(local.SiloAddress.ToParsableString(), cancellationToken);
                await view.Refresh(cancellationToken: cancellationToken);
                _log.Left(local.SiloAddress, keys.ClusterId);
            }
        }
        catch (Exception exception) when (exception is OrleansException or OperationCanceledException)
        {
            _log.LeaveFailed(exception, local.SiloAddress);
        }

        await watch.DisposeAsync();
    }

    private async Task<(long Epoch, long Version, long AskedAt)> JoinAsync(MemberRow row, CancellationToken cancellationToken)
    {
        var began = time.GetTimestamp();
        while (true)
        {
            try
            {
                var askedAt = time.GetTimestamp();
                var (epoch, version, earlier) = await table.JoinAsync(local.SiloAddress, row, cancellationToken);
                return epoch > 0
                    ? (epoch, version, askedAt)
                    : throw new OrleansException($"{local.SiloAddress} cannot join cluster {keys.ClusterId}: a silo with this address has been a member ({earlier}). Addresses differ by the second of their start; start again.");
            }
            catch (RedisUnavailableException exception) when (time.GetElapsedTime(began) < options.Value.JoinTimeout)
            {
                _log.JoinDelayed(exception, local.SiloAddress);
                await Task.Delay(JoinRetryDelay, time, cancellationToken);
            }
        }
    }

    private void OnLost()
    {
        view.End(local.SiloAddress); // the silo ends its grains when it sees itself dead
        if (options.Value.StopHostWhenLost)
        {
            services.GetService<IHostApplicationLifetime>()?.StopApplication();
        }
    }
}
