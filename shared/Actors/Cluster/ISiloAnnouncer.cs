namespace Orleans.Runtime;

/// <summary>Tells the cluster where this silo is in its life. The membership that is in the services implements it beside <see cref="IClusterMembershipService"/>.</summary>
/// <remarks>
/// A silo announces <see cref="SiloStatus.Joining"/> once its listener is up, <see cref="SiloStatus.Active"/> when it takes calls,
/// <see cref="SiloStatus.ShuttingDown"/> before its grains end, and <see cref="SiloStatus.Dead"/> when they have.
/// </remarks>
public interface ISiloAnnouncer
{
    /// <summary>Announces the status; returns when <see cref="IClusterMembershipService.CurrentSnapshot"/> of this silo shows it.</summary>
    Task AnnounceAsync(SiloStatus status, CancellationToken cancellationToken = default);
}
