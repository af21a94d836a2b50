using System.Collections.Immutable;
using System.Runtime.CompilerServices;
using Loire.Contracts;
using Loire.Engine.Links;
using Loire.Silo.Models;
using Loire.Silo.Placement;
using Loire.Silo.Transfers;
using Loire.Store;
using Microsoft.Extensions.Logging;
using Orleans;
using Orleans.Runtime;

namespace Loire.Silo.Replicas;

/// <summary>One running copy of a model: has its parts opened and joined, and hands turns to its engine.</summary>
/// <remarks>
/// Loading begins with the activation and is awaited by whoever needs the engine; <see cref="GetAsync"/> never waits for it.
/// An attempt that failed is made again by the next call that needs the engine.
/// </remarks>
[KeepAlive, Pinned]
internal sealed partial class ReplicaGrain(
    ReplicaHost replicas, StateTransfers transfers, ModelCatalog catalog, GpuPlans gpus, SiloOptions options, IClusterMembershipService membership, TimeProvider time, ILogger<ReplicaGrain> logger)
    : Grain, IReplicaGrain
{
    private static readonly TimeSpan LookForPartsEvery = TimeSpan.FromMilliseconds(250);

    private Task<LoadedReplica>? _loading;

    public override Task OnActivateAsync(CancellationToken cancellationToken)
    {
        _loading = OpenAsync();
        this.RegisterGrainTimer(HibernateIdleAsync, new GrainTimerCreationOptions(options.IdleHibernateAfter, options.IdleHibernateAfter) { Interleave = true });
        this.RegisterGrainTimer(CutIfGoneAsync, new GrainTimerCreationOptions(LookForPartsEvery, LookForPartsEvery) { Interleave = true });
        return Task.CompletedTask;
    }

    public async Task LoadAsync() => await LoadedAsync();

    public async IAsyncEnumerable<TurnEvent> GenerateAsync(ReplicaTurn turn, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        var replica = await LoadedAsync();
        await foreach (var item in replica.Turns.RunAsync(turn, cancellationToken))
        {
            yield return item;
        }
    }

    public Task<bool> CancelAsync(string owner, string session, string turnId, bool passOn = false) =>
        Task.FromResult(Loaded?.Turns.Cancel(owner, session, turnId, passOn) ?? false);

    public Task<ImmutableArray<bool>> AreResidentAsync(ImmutableArray<string> checkpoints) => Task.FromResult<ImmutableArray<bool>>(
        [.. checkpoints.Select(checkpoint => Loaded is { } replica && Digest.TryParse(checkpoint, out var address) && replica.Turns.Residents.IsResident(address))]);

    public async Task<bool> ReleaseAsync(string checkpoint) =>
        Loaded is { } replica && Digest.TryParse(checkpoint, out var address) && await replica.Turns.Residents.ReleaseAsync(address);

    public async Task<int> ReleaseAllAsync() =>
        Loaded is { } replica ? await replica.Turns.Residents.ReleaseIdleAsync(DateTimeOffset.MaxValue) : 0;

    public async Task<StateReceipt> SendStateAsync(StateSending sending)
    {
        if (Loaded is not { IsLost: false } replica)
        {
            return StateReceipt.Refused("The replica is not loaded.");
        }

        var other = GrainFactory.GetGrain<IReplicaGrain>(new ReplicaKey(ReplicaKey.Parse(this.GetPrimaryKeyString()).Model, sending.To).ToString());
        return await transfers.SendAsync(replica, sending, other.TakeStateAsync);
    }

    public async Task<StateReceipt> TakeStateAsync(StateOffering offering) =>
        Loaded is { } replica ? await transfers.TakeAsync(replica, offering) : StateReceipt.Refused("The replica is not loaded yet.");

    public async Task<ReplicaView> GetAsync()
    {
        var key = this.GetPrimaryKeyString();
        if (Loaded is not { } replica)
        {
            return new ReplicaView { Key = key, Ready = false };
        }

        var stages = replica.Plan.Stages.Select(stage => GrainFactory.GetGrain<ILayerStageGrain>(ReplicaKey.Parse(key).Part(stage.Stage, stage.Silo)).GetAsync());
        var router = GrainFactory.GetGrain<IRouterGrain>(key).GetAsync();
        try
        {
            return ViewOf(key, replica, await Task.WhenAll(stages), await router);
        }
        catch (Exception gone) when (gone is OrleansException or ClusterException or TimeoutException)
        {
            LogPartSilent(key, gone.Message);
            return ViewOf(key, replica, [], router: null) with { Ready = false }; // a part's silo has left: the next turn finds out
        }
    }

    private LoadedReplica? Loaded => replicas.Find(this.GetPrimaryKeyString());

    private static ReplicaView ViewOf(string key, LoadedReplica replica, StageView[] stages, RouterView? router)
    {
        var (load, shape) = (replica.Engine.Load, replica.Engine.Shape);
        return new ReplicaView
        {
            Key = key,
            Ready = !replica.IsLost,
            Slots = shape.Slots,
            SlotsInUse = load.SlotsInUse,
            Pages = shape.Pages,
            PagesInUse = load.PagesInUse,
            RunningSequences = load.Running,
            WaitingSequences = load.Waiting,
            Steps = load.Steps,
            PromptTokens = load.PromptTokens,
            GeneratedTokens = load.GeneratedTokens,
            Stages = [.. stages],
            Router = router,
        };
    }

    /// <summary>The replica once it is loaded. An earlier failure is not remembered for ever.</summary>
    private Task<LoadedReplica> LoadedAsync()
    {
        if (_loading is { IsFaulted: false, IsCanceled: false } loading && (!loading.IsCompleted || Loaded is not { IsLost: true }))
        {
            return loading;
        }

        return _loading = OpenAsync();
    }

    /// <summary>Plan, then router with its shards, then stages, then the engine over all of them.</summary>
    private async Task<LoadedReplica> OpenAsync()
    {
        var key = this.GetPrimaryKeyString();
        var load = replicas.LoadOf(key);
        try
        {
            var start = time.GetTimestamp();
            var model = catalog.Require(ReplicaKey.Parse(key).Model);
            var plan = PlacementPlanner.Plan(model, options, ReplicaKey.Parse(key).Home, gpus.PlanOf(model));
            load.Begin(plan.Stages.Length + plan.Shards.Length);
            var table = await GrainFactory.GetGrain<IRouterGrain>(key).OpenAsync(plan);
            var stages = await Task.WhenAll(plan.Stages.Select(
                stage => GrainFactory.GetGrain<ILayerStageGrain>(ReplicaKey.Parse(key).Part(stage.Stage, stage.Silo)).OpenAsync(stage)));
            var replica = await replicas.JoinAsync(key, plan, stages, table);
            LogReady(key, plan.Stages.Length, plan.Shards.Length, time.GetElapsedTime(start).TotalSeconds);
            return replica;
        }
        catch (Exception fault)
        {
            load.Fail(fault.Message);
            if (fault is PartLostException or OrleansException)
            {
                LogWaits(key, fault.Message);
                throw new ClusterException(
                    FailureCode.ReplicaLost, $"Replica '{key}' waits for parts on other silos: {fault.Message}", retryAfter: TimeSpan.FromSeconds(1), inner: fault);
            }

            LogFailed(key, fault);
            throw;
        }
    }

    /// <summary>A silo that is dead to the cluster, though its sockets may stand, is not waited for.</summary>
    private Task CutIfGoneAsync(CancellationToken cancellationToken)
    {
        if (Loaded is { IsLost: false } replica && replica.Parts.CutIfGone(IsThere) is { } gone)
        {
            LogPartSilent(this.GetPrimaryKeyString(), $"silo {gone} has left the cluster.");
        }

        return Task.CompletedTask;
    }

    private bool IsThere(string silo) => SiloAddress.TryParse(silo, out var address)
        && membership.CurrentSnapshot.GetSiloStatus(address) is SiloStatus.Joining or SiloStatus.Active or SiloStatus.ShuttingDown or SiloStatus.Stopping;

    private async Task HibernateIdleAsync(CancellationToken cancellationToken)
    {
        if (Loaded is { } replica && await replica.Turns.Residents.ReleaseIdleAsync(time.GetUtcNow() - options.IdleHibernateAfter) is > 0 and var released)
        {
            LogHibernated(this.GetPrimaryKeyString(), released);
        }
    }

    [LoggerMessage(LogLevel.Information, "Replica {Replica} is ready: {Stages} stages, {Shards} expert shards, loaded in {Seconds} s")]
    private partial void LogReady(string replica, int stages, int shards, double seconds);

    [LoggerMessage(LogLevel.Warning, "Replica {Replica} waits for parts on other silos: {Fault}")]
    private partial void LogWaits(string replica, string fault);

    [LoggerMessage(LogLevel.Warning, "A part of replica {Replica} does not answer: {Fault}")]
    private partial void LogPartSilent(string replica, string fault);

    [LoggerMessage(LogLevel.Error, "Replica {Replica} could not be loaded")]
    private partial void LogFailed(string replica, Exception fault);

    [LoggerMessage(LogLevel.Information, "Replica {Replica} released {Count} states that were idle")]
    private partial void LogHibernated(string replica, int count);
}
