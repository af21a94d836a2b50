using System.Diagnostics.Metrics;

namespace Loire.Actors.Redis;

/// <summary>What membership and the connection count.</summary>
internal static class ClusterMetrics
{
    private static readonly Meter Meter = new("Loire.Actors.Redis");

    public static Histogram<double> BeatDuration { get; } = Meter.CreateHistogram<double>("loire.cluster.beat.duration", "ms", "From asking to renew, or to look, until the answer");

    public static Counter<long> Deaths { get; } = Meter.CreateCounter<long>("loire.cluster.deaths", description: "Silos that this process declared dead");

    public static Counter<long> LeasesLost { get; } = Meter.CreateCounter<long>("loire.cluster.leases.lost", description: "Leases of this process that were lost");

    public static Counter<long> RenewalsLate { get; } = Meter.CreateCounter<long>("loire.cluster.renewals.late", description: "Renewals more than an interval late");

    public static Counter<long> Connections { get; } = Meter.CreateCounter<long>("loire.redis.connections", description: "Connections made to Redis");

    public static Counter<long> Failures { get; } = Meter.CreateCounter<long>("loire.redis.failures", description: "Operations that Redis did not answer, or refused");
}
