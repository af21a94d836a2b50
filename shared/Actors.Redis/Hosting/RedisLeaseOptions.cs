using Orleans.Runtime;

namespace Loire.Actors.Redis;

/// <summary>How long a member may be silent, and how long anybody waits for Redis.</summary>
public sealed class RedisLeaseOptions
{
    /// <summary>How long others wait for a silent member before it is dead to them.</summary>
    public TimeSpan Lease { get; set; } = TimeSpan.FromSeconds(3.5);

    /// <summary>How often a member renews its lease, and a client looks at the membership.</summary>
    public TimeSpan RenewInterval { get; set; } = TimeSpan.FromSeconds(0.7);

    /// <summary>The last share of the lease, in which a member that could not renew is one no more, though others still wait.</summary>
    public double FenceMargin { get; set; } = 0.15;

    /// <summary>
    /// Whether a silo is dead at once when a connection to it broke and its address refuses new ones: its process has ended. Its lease alone decides where something between
    /// processes, such as a proxy or a firewall, may refuse for a silo that lives.
    /// </summary>
    public bool TrustRefusals { get; set; } = true;

    /// <summary>How long one operation may take, a new connection to Redis included.</summary>
    public TimeSpan CommandTimeout { get; set; } = TimeSpan.FromSeconds(1);

    /// <summary>How long the rows of the dead stay to be seen; at most 64 do.</summary>
    public TimeSpan DeadRetention { get; set; } = TimeSpan.FromMinutes(10);

    /// <summary>How long a process that starts waits for Redis.</summary>
    public TimeSpan JoinTimeout { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>Whether the process ends when its lease is lost.</summary>
    public bool StopHostWhenLost { get; set; } = true;

    /// <summary>How long a member trusts its lease after it asked to renew it.</summary>
    internal TimeSpan HeldFor => Lease * (1 - FenceMargin);

    /// <summary>For one host or one rack: a silo that is frozen or cut off is dead to all within 1.2 s.</summary>
    public void UseFastProfile()
    {
        Lease = TimeSpan.FromMilliseconds(700);
        RenewInterval = TimeSpan.FromMilliseconds(120);
    }

    /// <exception cref="OrleansConfigurationException">A value cannot work.</exception>
    internal void Validate()
    {
        if (FenceMargin is < 0.01 or > 0.5)
        {
            throw new OrleansConfigurationException($"{nameof(FenceMargin)} is {FenceMargin}; it is a share of the lease between 0.01 and 0.5.");
        }

        if (RenewInterval < TimeSpan.FromMilliseconds(20) || RenewInterval * 3 > HeldFor)
        {
            throw new OrleansConfigurationException(
                $"{nameof(RenewInterval)} is {RenewInterval.TotalMilliseconds} ms; it must be at least 20 ms and at most a third of the lease without its margin, {HeldFor.TotalMilliseconds / 3:0} ms, so that a lost renewal costs nothing.");
        }

        if (CommandTimeout < TimeSpan.FromMilliseconds(50) || DeadRetention < Lease)
        {
            throw new OrleansConfigurationException(
                $"{nameof(CommandTimeout)} is {CommandTimeout.TotalMilliseconds} ms and must be at least 50 ms; {nameof(DeadRetention)} is {DeadRetention} and must be at least the lease, {Lease}.");
        }
    }
}
