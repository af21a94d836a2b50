using System.Collections.Immutable;
using Orleans;
using Orleans.Concurrency;

namespace Loire.Contracts;

/// <summary>One running copy of a model: the step loop with its slots and pages. Key: <see cref="ReplicaKey"/>.</summary>
public interface IReplicaGrain : IGrainWithStringKey
{
    /// <summary>Completes when the replica is loaded and steps; loads it if need be.</summary>
    [AlwaysInterleave, ResponseTimeout("01:00:00")]
    Task LoadAsync();

    /// <summary>Computes one turn: restores the longest known prefix, prefills the rest, generates.</summary>
    /// <remarks>
    /// Checkpoints are written to the store here, and announced by <see cref="TurnEventKind.Checkpoint"/> events; the caller moves the reference.
    /// Breaking off the enumeration frees the slot and keeps nothing: <see cref="CancelAsync"/> ends a turn in good order.
    /// </remarks>
    [AlwaysInterleave]
    IAsyncEnumerable<TurnEvent> GenerateAsync([Immutable] ReplicaTurn turn, CancellationToken cancellationToken = default);

    /// <summary>Ends a running turn within one step; its stream still says what was kept: a checkpoint, and the finish.</summary>
    /// <returns>False when no such turn runs here.</returns>
    [AlwaysInterleave]
    Task<bool> CancelAsync(string owner, string session, string turnId);

    /// <summary>Which of these checkpoints have their state on the device, in the order given.</summary>
    [AlwaysInterleave]
    Task<ImmutableArray<bool>> AreResidentAsync(ImmutableArray<string> checkpoints);

    /// <summary>Releases the resident state of a checkpoint. True when it was on the device.</summary>
    [AlwaysInterleave]
    Task<bool> ReleaseAsync(string checkpoint);

    /// <summary>Releases every resident state.</summary>
    /// <returns>How many.</returns>
    [AlwaysInterleave]
    Task<int> ReleaseAllAsync();

    [AlwaysInterleave]
    Task<ReplicaView> GetAsync();
}

/// <summary>Layers [first, end) of a replica on one device. Key: <see cref="ReplicaKey"/> / stage number.</summary>
public interface ILayerStageGrain : IGrainWithStringKey
{
    /// <summary>Loads the layers if need be and returns where their tensors go.</summary>
    [ResponseTimeout("01:00:00")]
    Task<TensorEndpoint> OpenAsync([Immutable] StagePlan plan);

    [AlwaysInterleave]
    Task<StageView> GetAsync();
}

/// <summary>A set of experts, for a range of layers, on one device. Key: <see cref="ReplicaKey"/> / shard number.</summary>
public interface IExpertShardGrain : IGrainWithStringKey
{
    /// <summary>Loads the experts if need be and returns where routed tokens go.</summary>
    [ResponseTimeout("01:00:00")]
    Task<TensorEndpoint> OpenAsync([Immutable] ShardPlan plan);

    [AlwaysInterleave]
    Task<ShardView> GetAsync();
}

/// <summary>Which shard owns which expert, and the load of each. Key: <see cref="ReplicaKey"/>.</summary>
public interface IRouterGrain : IGrainWithStringKey
{
    /// <summary>Opens the shards of the plan and returns the table of every expert of every layer.</summary>
    [ResponseTimeout("01:00:00")]
    Task<ExpertTable> OpenAsync([Immutable] ReplicaPlan plan);

    [AlwaysInterleave]
    Task<RouterView> GetAsync();
}

/// <summary>One silo: what it has, and what operators do to it. Key: the silo's name; always on that silo.</summary>
public interface ISiloGrain : IGrainWithStringKey
{
    [AlwaysInterleave]
    Task<SiloView> GetAsync();

    /// <summary>Which of these checkpoints have their state on a device of this silo, in the order given.</summary>
    [AlwaysInterleave]
    Task<ImmutableArray<bool>> AreResidentAsync(string model, ImmutableArray<string> checkpoints);

    /// <summary>Releases every state that no turn uses from this silo's devices; they stay in the store.</summary>
    /// <returns>How many.</returns>
    [AlwaysInterleave]
    Task<int> HibernateAsync();

    /// <summary>Stops the silo in good order: its sessions go on elsewhere, then its process ends.</summary>
    [AlwaysInterleave]
    Task DrainAsync();
}

/// <summary>Devices, models and the placement plan of the whole cluster. One activation, key <see cref="Key"/>.</summary>
public interface IClusterGrain : IGrainWithStringKey
{
    public const string Key = "cluster";

    /// <summary>The models that this cluster serves, the default one first.</summary>
    [AlwaysInterleave]
    Task<IReadOnlyList<ModelView>> GetModelsAsync();

    /// <summary>The plan of a replica, made on first use.</summary>
    /// <param name="replica">Its key.</param>
    [AlwaysInterleave]
    Task<ReplicaPlan> GetPlanAsync(string replica);

    /// <summary>One page of an owner's sessions, the newest first.</summary>
    [AlwaysInterleave]
    Task<SessionPage> ListSessionsAsync(string owner, string? after, int limit);

    /// <summary>Devices, replicas and whether turns can run: what readiness and the console show.</summary>
    [AlwaysInterleave]
    Task<ClusterView> GetAsync();
}
