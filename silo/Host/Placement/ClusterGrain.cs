using System.Runtime.InteropServices;
using Loire.Contracts;
using Loire.Silo.Models;
using Loire.Silo.Replicas;
using Loire.Store;
using Orleans;
using Orleans.Runtime;

namespace Loire.Silo.Placement;

/// <summary>Devices, models and the placement plan.</summary>
[KeepAlive]
internal sealed class ClusterGrain(
    ModelCatalog catalog, ReplicaHost replicas, ICheckpointStore store, SiloOptions options, ILocalSiloDetails silo, TimeProvider time)
    : Grain, IClusterGrain
{
    private readonly Dictionary<string, ReplicaPlan> _plans = [];
    private readonly DateTimeOffset _openedAt = time.GetUtcNow();

    public Task<IReadOnlyList<ModelView>> GetModelsAsync() => Task.FromResult<IReadOnlyList<ModelView>>([.. catalog.Models.Select(ViewOf)]);

    public Task<ReplicaPlan> GetPlanAsync(string model)
    {
        if (!_plans.TryGetValue(model, out var plan))
        {
            plan = PlacementPlanner.Plan(catalog.Require(model), options);
            _plans[model] = plan;
        }

        return Task.FromResult(plan);
    }

    public Task<SessionPage> ListSessionsAsync(string owner, string? after, int limit) => ListAsync(owner, after, limit);

    public async Task<ClusterView> GetAsync()
    {
        var keys = catalog.Models.Select(model => new ReplicaKey(model.Id, 0).ToString()).ToArray();
        var views = await Task.WhenAll(keys
            .Where(key => replicas.Find(key) is not null)
            .Select(key => GrainFactory.GetGrain<IReplicaGrain>(key).GetAsync()));
        var waiting = keys[0]; // the default model's: others are loaded when somebody asks for them
        var reason = views.Any(view => view.Key == waiting && view.Ready) ? null : ReasonOf(waiting);
        return new ClusterView(reason is null, reason, [Device()], [.. views]);
    }

    private async Task<SessionPage> ListAsync(string owner, string? after, int limit)
    {
        var page = await new SessionListing(store, catalog).ReadAsync(owner, after, limit);
        var resident = await Task.WhenAll(page.Sessions.GroupBy(session => session.Model).Select(ResidentAsync));
        var onDevice = resident.SelectMany(ids => ids).ToHashSet();
        return page with
        {
            Sessions = [.. page.Sessions.Select(session => session with { Resident = onDevice.Contains(session.Id), StateBytes = StateBytesOf(session) })],
        };
    }

    /// <summary>From the model's shape: a list does not read a manifest for each session. 0 while the model is not loaded.</summary>
    private long StateBytesOf(SessionView session) =>
        session.Checkpoint is not null && replicas.Find(new ReplicaKey(session.Model, 0).ToString()) is { } replica
            ? replica.Engine.Shape.State.BytesOf(session.CheckpointTokens)
            : 0;

    /// <summary>Ids of those sessions of one model whose state is on a device.</summary>
    private async Task<IEnumerable<string>> ResidentAsync(IGrouping<string, SessionView> sessions)
    {
        var key = new ReplicaKey(sessions.Key, 0).ToString();
        if (replicas.Find(key) is null)
        {
            return [];
        }

        var listed = sessions.Where(session => session.Checkpoint is not null).ToArray();
        var resident = await GrainFactory.GetGrain<IReplicaGrain>(key).AreResidentAsync([.. listed.Select(session => session.Checkpoint!)]);
        return listed.Zip(resident).Where(pair => pair.Second).Select(pair => pair.First.Id);
    }

    private ModelView ViewOf(ServedModel model)
    {
        var loaded = replicas.Find(new ReplicaKey(model.Id, 0).ToString());
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

    private string ReasonOf(string replica)
    {
        var load = replicas.LoadOf(replica);
        return load.Failure is { } failure
            ? $"Replica '{replica}' could not be loaded: {failure}"
            : $"Replica '{replica}' is being loaded: {load.Fraction:P0}.";
    }

    private DeviceView Device() => new(
        silo.SiloAddress.ToString(), PlacementPlanner.CpuDevice,
        $"{Environment.ProcessorCount} cores, {RuntimeInformation.ProcessArchitecture}", GC.GetGCMemoryInfo().TotalAvailableMemoryBytes);
}
