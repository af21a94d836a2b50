using Loire.Contracts;
using Loire.Silo.Cluster;
using Loire.Silo.Models;
using Loire.Silo.Replicas;
using Loire.Silo.Sessions;
using Loire.Telemetry;
using Microsoft.Extensions.Hosting;
using Orleans.Runtime;

namespace Loire.Silo.Operations;

/// <summary>Whether this silo serves: its default model's replica is loaded, the cluster counts it as a member, and it does not drain. Safe from any thread.</summary>
/// <remarks>Looks and never calls: it answers while Redis is gone, and while the silo starts or stops.</remarks>
public sealed class SiloReadiness(
    ModelCatalog catalog, ReplicaHost replicas, TurnDrain drain, SiloSessions sessions, SiloOptions options, ILocalSiloDetails silo,
    IClusterMembershipService membership, LoireMetrics metrics) : IHostedService
{
    private readonly string _replica = new ReplicaKey(catalog.Default.Id, silo.Name).ToString();

    /// <summary>Why it does not serve, in one sentence; null when it does.</summary>
    public string? Reason
    {
        get
        {
            if (drain.IsClosed)
            {
                return $"Silo '{silo.Name}' drains: its sessions go on elsewhere, {drain.Running} turns are still here.";
            }

            if (!options.LendsOnly && replicas.Find(_replica) is not { IsLost: false })
            {
                return replicas.LoadOf(_replica).Reason;
            }

            var status = membership.CurrentSnapshot.GetSiloStatus(silo.SiloAddress);
            return status == SiloStatus.Active ? null
                : $"Silo '{silo.Name}' is {status} to itself and not Active: it has not joined yet, it leaves, or it has lost its lease.";
        }
    }

    public Task StartAsync(CancellationToken cancellationToken)
    {
        metrics.Silo.ReadFrom(() => new SiloReading(sessions.Count, drain.Running, Reason is null));
        return Task.CompletedTask;
    }

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}
