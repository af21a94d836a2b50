using System.Runtime.CompilerServices;
using Loire.Contracts;
using Loire.Silo.Cluster;
using Loire.Silo.Models;
using Loire.Silo.Placement;
using Loire.Store;
using Loire.Telemetry;
using Microsoft.Extensions.Logging;
using Orleans;
using Orleans.Runtime;
using SessionHistory = Loire.Contracts.SessionHistory;

namespace Loire.Silo.Sessions;

/// <summary>One conversation. Everything it does is in <see cref="Session"/>; the grain gives it a name, a scheduler, a place and an end.</summary>
/// <remarks>
/// What nobody calls again ends at once: a session that is deleted, and one that was made for a turn which keeps none.
/// The others are collected early, as reading a lineage anew costs a few small files.
/// </remarks>
[CollectionAgeLimit(Minutes = 2), SessionPlaced]
internal sealed class SessionGrain(
    ICheckpointStore store, ModelCatalog catalog, TurnDrain drain, SiloSessions silo, SiloOptions options, ILocalSiloDetails local,
    SiloNames names, LoireMetrics metrics, TimeProvider time, ILogger<SessionGrain> logger)
    : Grain, ISessionGrain, IGrainMigrationParticipant
{
    private const string HasState = "has-state";

    private Session? _session;
    private Task<SessionMove>? _moving;
    private volatile bool _hasCome; // from another silo with a state, and nobody has called it since
    private TaskScheduler? _scheduler;

    private Session Session => _session ??= new Session(
        SessionKey.Parse(this.GetPrimaryKeyString()), store, catalog,
        model => GrainFactory.GetGrain<IReplicaGrain>(new ReplicaKey(model, local.Name).ToString()), drain, metrics, time, logger);

    public void OnDehydrate(IDehydrationContext dehydrationContext) => dehydrationContext.TryAddValue(HasState, _session is { Head: not null } || _hasCome);

    public void OnRehydrate(IRehydrationContext rehydrationContext) => _hasCome = rehydrationContext.TryGetValue(HasState, out bool has) && has;

    public override Task OnActivateAsync(CancellationToken cancellationToken)
    {
        (_scheduler, Key, ActivatedAt) = (TaskScheduler.Current, this.GetPrimaryKeyString(), time.GetTimestamp());
        silo.Add(this);
        return Task.CompletedTask;
    }

    public override async Task OnDeactivateAsync(DeactivationReason reason, CancellationToken cancellationToken)
    {
        silo.Remove(this);
        if (_session is { } session)
        {
            var goesOn = options.IsClustered && reason.ReasonCode != DeactivationReasonCode.ActivationIdle; // an idle one may come back for its state
            await (goesOn ? session.LeaveAsync() : session.StopAsync());
        }
    }

    public async IAsyncEnumerable<TurnEvent> RunTurnAsync(TurnRequest request, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        LastTurnAt = time.GetTimestamp();
        try
        {
            await foreach (var item in Session.RunAsync(request, cancellationToken))
            {
                yield return item;
            }
        }
        finally
        {
            if (!request.KeepSession)
            {
                DeactivateOnIdle();
            }
        }
    }

    public Task<SessionView?> GetAsync() => Session.GetAsync();

    public Task<SessionHistory?> GetHistoryAsync(string? beforeTurn = null) => Session.GetHistoryAsync(beforeTurn);

    public Task<SessionView> ForkAsync(ForkRequest request) => Session.ForkAsync(request);

    public Task<SessionView> RewindAsync(RewindRequest request) => Session.RewindAsync(request);

    public async Task<SessionMove> MoveAsync(string? target)
    {
        var (name, address) = names.Target(target, GrainContext.GrainId);
        return name == local.Name
            ? new SessionMove(local.Name, local.Name, WasRunning: false)
            : await (_moving ??= MoveAsync(name, address, mayEvictForIdle: true)); // who asks twice gets the one answer
    }

    public async Task<bool> DeleteAsync()
    {
        var deleted = await Session.DeleteAsync();
        DeactivateOnIdle();
        return deleted;
    }

    public Task<bool> HibernateAsync() => Session.HibernateAsync();

    /// <summary>Any thread: whether it runs no turn and has a state to take along.</summary>
    public bool IsIdle => _session is { IsKnown: true } session ? session.IsIdle : _hasCome;

    /// <summary>Any thread.</summary>
    public bool IsRunning => _session is { IsRunning: true };

    public string Key { get; private set; } = "";

    public long ActivatedAt { get; private set; }

    /// <summary>When a turn began last; 0 when none has.</summary>
    public long LastTurnAt { get; private set; }

    /// <summary>From any thread: the session goes to another silo with its turn and its state, because this one stops. Without another one it only lets go.</summary>
    public Task LeaveAsync() => Task.Factory.StartNew(LeaveCoreAsync, CancellationToken.None, TaskCreationOptions.None, _scheduler!).Unwrap(); // added when it had one

    private async Task LeaveCoreAsync()
    {
        if (_session is null && !_hasCome)
        {
            return;
        }

        var (name, address) = names.Target(null, GrainContext.GrainId);
        if (name == local.Name)
        {
            await Session.LeaveAsync();
            return;
        }

        await (_moving ??= MoveAsync(name, address, mayEvictForIdle: false)); // nobody waits for an idle one
    }

    /// <summary>Leaves for a silo that is there. Whatever fails on the way, the session goes on there: everything is in the store.</summary>
    private async Task<SessionMove> MoveAsync(string name, SiloAddress address, bool mayEvictForIdle)
    {
        try
        {
            var departure = await Session.LeaveAsync(name, mayEvictForIdle);
            metrics.Moves.Left(departure.Via.ToString(), departure.Pause.TotalMilliseconds);
            return new SessionMove(local.Name, name, departure.WasRunning)
            {
                Via = departure.Via,
                Bytes = departure.Receipt?.Bytes ?? 0,
                WireBytes = departure.Receipt?.WireBytes ?? 0,
                SharedBytes = departure.Receipt?.SharedBytes ?? 0,
                PauseMilliseconds = departure.Pause.TotalMilliseconds,
                Reason = departure.Receipt?.Refusal,
            };
        }
        finally
        {
            RequestContext.Set(Orleans.Runtime.Placement.IPlacementDirector.PlacementHintKey, address);
            this.MigrateOnIdle();
        }
    }
}
