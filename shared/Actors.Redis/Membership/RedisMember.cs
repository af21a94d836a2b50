using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Orleans;
using Orleans.Runtime;
using Orleans.Runtime.MembershipService.SiloMetadata;

namespace Loire.Actors.Redis;

/// <summary>Takes this silo into the cluster and out of it, in step with its life.</summary>
/// <remarks>
/// Up: 1. it joins before its services start; 2. it is active when they have.
/// Down: 1. it says that it shuts down, while grains still run; 2. it leaves when they have ended, so that they can unregister.
/// When its lease is lost there is nothing to leave: the process is told to stop.
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
    IServiceProvider services) : ILifecycleParticipant<ISiloLifecycle>
{
    private static readonly TimeSpan JoinRetryDelay = TimeSpan.FromMilliseconds(100);

    private readonly ClusterLog _log = new(loggers.CreateLogger<RedisMember>());

    public void Participate(ISiloLifecycle lifecycle)
    {
        lifecycle.Subscribe(nameof(RedisMember), ServiceLifecycleStage.RuntimeServices, JoinAsync, LeaveAsync);
        lifecycle.Subscribe(nameof(RedisMember), ServiceLifecycleStage.Active, _ => SetStatusAsync(SiloStatus.Active), _ => ShutDownAsync());
    }

    /// <exception cref="OrleansException">A silo with this address has been a member before.</exception>
    /// <exception cref="RedisUnavailableException">Redis was not there within the time to join.</exception>
    public async Task JoinAsync(CancellationToken cancellationToken)
    {
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

    public async Task SetStatusAsync(SiloStatus status)
    {
        var version = await table.SetStatusAsync(local.SiloAddress, status, CancellationToken.None);
        if (version == 0)
        {
            lease.Lose("it is not among the members");
            throw new StaleMemberException(local.SiloAddress, $"Becoming {status}", lease.LostReason);
        }

        await view.Refresh(new(version));
    }

    public async Task LeaveAsync(CancellationToken cancellationToken)
    {
        try
        {
            if (lease.IsHeld)
            {
                lease.Leave();
                await table.BuryAsync(local.SiloAddress, "itself, as it left", cancellationToken);
                await watch.SweepAsync(local.SiloAddress.ToParsableString(), cancellationToken);
                _log.Left(local.SiloAddress, keys.ClusterId);
            }
        }
        catch (Exception exception) when (exception is RedisUnavailableException or OperationCanceledException)
        {
            _log.LeaveFailed(exception, local.SiloAddress);
        }

        await watch.DisposeAsync();
    }

    private async Task ShutDownAsync()
    {
        try
        {
            if (lease.IsHeld)
            {
                await SetStatusAsync(SiloStatus.ShuttingDown);
            }
        }
        catch (OrleansException exception)
        {
            _log.LeaveFailed(exception, local.SiloAddress); // it stops all the same
        }
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
        if (options.Value.StopHostWhenLost)
        {
            services.GetService<IHostApplicationLifetime>()?.StopApplication();
        }
    }
}
