using System.Collections.Immutable;
using Loire.Contracts;
using Loire.Silo.Models;
using Loire.Silo.Replicas;
using Loire.Store;
using Microsoft.Extensions.Logging;
using Orleans;
using Orleans.Runtime;

namespace Loire.Silo.Cluster;

/// <summary>Devices, models and the placement plans of the whole cluster.</summary>
[KeepAlive]
internal sealed partial class ClusterGrain(
    ModelCatalog catalog, ReplicaHost replicas, ICheckpointStore store, SiloOptions options, ILocalSiloDetails local,
    IClusterMembershipService membership, TimeProvider time, ILogger<ClusterGrain> logger)
    : Grain, IClusterGrain
{
    /// <summary>A silo that has just died is left out of answers, and not waited for.</summary>
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(2);

    private readonly DateTimeOffset _openedAt = time.GetUtcNow();
    private readonly Rebalancer _rebalancer = new(options, time);

    public Task<ImmutableArray<ModelView>> GetModelsAsync() => Task.FromResult<ImmutableArray<ModelView>>([.. catalog.Models.Select(ViewOf)]);

    public async Task<SessionPage> ListSessionsAsync(string owner, string? after, int limit)
    {
        var page = await new SessionListing(store, catalog).ReadAsync(owner, after, limit);
        var resident = await Task.WhenAll(page.Sessions.GroupBy(session => session.Model).Select(ResidentAsync));
        var onDevice = resident.SelectMany(ids => ids).ToHashSet();
        return page with
        {
            Sessions = [.. page.Sessions.Select(session => session with { Resident = onDevice.Contains(session.Id), StateBytes = StateBytesOf(session) })],
        };
    }

    public async Task<ClusterView> GetAsync()
    {
        var silos = (await Task.WhenAll(Members().Select(ViewAsync))).OfType<SiloView>().OrderBy(silo => silo.Name, StringComparer.Ordinal).ToImmutableArray();
        var serving = silos.Where(silo => !silo.LendsOnly).ToArray();
        var reason = serving.Any(silo => silo.Reason is null) ? null
            : serving.FirstOrDefault()?.Reason ?? (silos.Length > 0 ? "Every silo only lends parts; none runs a replica." : "No silo of the cluster answers.");
        return new ClusterView(reason is null, reason, [.. silos.SelectMany(silo => silo.Devices)], [.. silos.SelectMany(silo => silo.Replicas)])
        {
            Silos = silos,
        };
    }

    public Task<ClusterLoads> ReportAsync(SiloLoad load)
    {
        var members = membership.CurrentSnapshot.Members.Values;
        var active = members.Where(member => member.Status == SiloStatus.Active).Select(member => member.SiloAddress.ToString()).ToImmutableHashSet();
        var isChanging = members.Any(member => member.Status is SiloStatus.Joining or SiloStatus.ShuttingDown or SiloStatus.Stopping);
        return Task.FromResult(_rebalancer.Report(load, active, isChanging));
    }

    private IEnumerable<string> Members() => membership.CurrentSnapshot.Members.Values
        .Where(member => member.Status is SiloStatus.Active or SiloStatus.ShuttingDown)
        .Select(member => member.Name)
        .Distinct();

    private async Task<SiloView?> ViewAsync(string silo)
    {
        try
        {
            return await GrainFactory.GetGrain<ISiloGrain>(silo).GetAsync().WaitAsync(s_patience, time);
        }
        catch (Exception gone) when (gone is OrleansException or TimeoutException)
        {
            LogSilent(silo, gone.Message);
            return null;
        }
    }

    /// <summary>From the model's shape: a list does not read a manifest for each session. 0 while the model is not loaded here.</summary>
    private long StateBytesOf(SessionView session) =>
        session.Checkpoint is not null && replicas.Find(new ReplicaKey(session.Model, local.Name).ToString()) is { } replica
            ? replica.Engine.Shape.State.BytesOf(session.CheckpointTokens)
            : 0;

    /// <summary>Ids of those sessions of one model whose state is on a device.</summary>
    private async Task<IEnumerable<string>> ResidentAsync(IGrouping<string, SessionView> sessions)
    {
        var listed = sessions.Where(session => session.Checkpoint is not null).ToArray();
        ImmutableArray<string> checkpoints = [.. listed.Select(session => session.Checkpoint!)];
        var silos = await Task.WhenAll(Members().Select(silo => ResidentAsync(silo, sessions.Key, checkpoints)));
        return listed.Where((_, index) => silos.Any(resident => resident[index])).Select(session => session.Id);
    }

    private async Task<ImmutableArray<bool>> ResidentAsync(string silo, string model, ImmutableArray<string> checkpoints)
    {
        try
        {
            return await GrainFactory.GetGrain<ISiloGrain>(silo).AreResidentAsync(model, checkpoints).WaitAsync(s_patience, time);
        }
        catch (Exception gone) when (gone is OrleansException or TimeoutException)
        {
            LogSilent(silo, gone.Message);
            return [.. checkpoints.Select(_ => false)];
        }
    }

    private ModelView ViewOf(ServedModel model)
    {
        var loaded = replicas.Find(new ReplicaKey(model.Id, local.Name).ToString());
        return new ModelView
        {
            Id = model.Id,
            Family = model.Family,
            Digest = model.Digest.ToString(),
            Folder = model.Folder,
            ContextTokens = loaded?.Engine.Shape.ContextTokens ?? model.ContextLength,
            VocabularySize = model.VocabularySize,
            LoadedAt = loaded?.LoadedAt ?? _openedAt,
        };
    }

    [LoggerMessage(LogLevel.Debug, "Silo {Silo} does not answer and is left out: {Fault}")]
    private partial void LogSilent(string silo, string fault);
}
