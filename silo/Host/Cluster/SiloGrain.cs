using System.Collections.Immutable;
using System.Runtime.InteropServices;
using Loire.Contracts;
using Loire.Silo.Models;
using Loire.Silo.Placement;
using Loire.Silo.Replicas;
using Loire.Silo.Sessions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Orleans;
using Orleans.Runtime;

namespace Loire.Silo.Cluster;

/// <summary>Speaks for the silo that it is on.</summary>
[KeepAlive, Pinned]
internal sealed partial class SiloGrain(
    ModelCatalog catalog, ReplicaHost replicas, GpuPlans gpus, SiloSessions sessions, TurnDrain drain, SiloOptions options, ILocalSiloDetails silo,
    IClusterMembershipService membership, IHostApplicationLifetime process, ILogger<SiloGrain> logger)
    : Grain, ISiloGrain
{
    public async Task<SiloView> GetAsync()
    {
        var keys = catalog.Models.Select(model => new ReplicaKey(model.Id, silo.Name).ToString()).ToArray();
        var views = await Task.WhenAll(keys
            .Where(key => replicas.Find(key) is not null)
            .Select(key => GrainFactory.GetGrain<IReplicaGrain>(key).GetAsync()));
        var awaited = keys[0]; // the default model's: others are loaded when somebody asks for them
        return new SiloView
        {
            Name = silo.Name,
            Address = silo.SiloAddress.ToParsableString(),
            Status = membership.CurrentSnapshot.GetSiloStatus(silo.SiloAddress).ToString(),
            Devices = Devices(),
            Replicas = [.. views],
            Reason = options.LendsOnly || views.Any(view => view.Key == awaited && view.Ready) ? null : replicas.LoadOf(awaited).Reason,
            Sessions = sessions.Count,
            RunningTurns = drain.Running,
            LendsOnly = options.LendsOnly,
            LoadWeight = sessions.Weight,
            HandedOver = sessions.HandedOver,
        };
    }

    public async Task<ImmutableArray<bool>> AreResidentAsync(string model, ImmutableArray<string> checkpoints)
    {
        var key = new ReplicaKey(model, silo.Name).ToString();
        return replicas.Find(key) is null
            ? [.. checkpoints.Select(_ => false)]
            : await GrainFactory.GetGrain<IReplicaGrain>(key).AreResidentAsync(checkpoints);
    }

    public async Task<int> HibernateAsync()
    {
        var released = await Task.WhenAll(catalog.Models
            .Select(model => new ReplicaKey(model.Id, silo.Name).ToString())
            .Where(key => replicas.Find(key) is not null)
            .Select(key => GrainFactory.GetGrain<IReplicaGrain>(key).ReleaseAllAsync()));
        return released.Sum();
    }

    public Task DrainAsync()
    {
        LogDrained(silo.Name);
        process.StopApplication(); // whose first step is to let the sessions go
        return Task.CompletedTask;
    }

    private ImmutableArray<DeviceView> Devices() => gpus.Gpus is { Length: > 0 } used
        ? [.. used.Select(gpu => new DeviceView(silo.Name, PlacementPlanner.GpuDevice($"{gpu.Ordinal}"), gpu.Name, gpu.TotalBytes))]
        : [new DeviceView(
            silo.Name, PlacementPlanner.CpuDevice,
            $"{Environment.ProcessorCount} cores, {RuntimeInformation.ProcessArchitecture}", GC.GetGCMemoryInfo().TotalAvailableMemoryBytes)];

    [LoggerMessage(LogLevel.Information, "Silo {Silo} is drained by order, and stops")]
    private partial void LogDrained(string silo);
}
