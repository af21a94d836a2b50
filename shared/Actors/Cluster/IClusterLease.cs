using Orleans.Runtime;

namespace Loire.Actors;

/// <summary>This silo's membership of the cluster, for as long as it is sure of it.</summary>
/// <remarks>
/// Registered by a clustering provider whose members hold leases; without one, membership cannot be lost.
/// Ask <see cref="IsHeld"/> right before each act that only a member may do: a process may have been frozen since the last line.
/// </remarks>
public interface IClusterLease
{
    /// <summary>Grows with every member that joins the cluster; 0 before this silo has joined.</summary>
    long Epoch { get; }

    /// <summary>Whether this silo is a member now. Compares the monotonic clock at each question; once lost, never true again.</summary>
    bool IsHeld { get; }

    /// <summary>Cancelled when the lease is lost, before others may treat this silo as dead. Grains are to stop and the process is to end.</summary>
    CancellationToken Lost { get; }

    /// <summary>Why it was lost; null while it is not.</summary>
    string? LostReason { get; }
}

/// <summary>Where clients reach each silo.</summary>
public interface IClusterGateways
{
    /// <summary>The silo's address for clients; null when the silo is not known or takes none.</summary>
    SiloAddress? GetGateway(SiloAddress silo);
}
