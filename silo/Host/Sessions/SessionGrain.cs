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
    : Grain, ISessionGrain
{
    private Session? _session;
    private TaskScheduler? _scheduler;

    private Session Session => _session ??= new Session(
        SessionKey.Parse(this.GetPrimaryKeyString()), store, catalog,
        model => GrainFactory.GetGrain<IReplicaGrain>(new ReplicaKey(model, local.Name).ToString()), drain, metrics, time, logger);

    public override Task OnActivateAsync(CancellationToken cancellationToken)
    {
        _scheduler = TaskScheduler.Current;
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
        var (name, address) = names.Target(target, Session.Key);
        if (name == local.Name)
        {
            return new SessionMove(local.Name, local.Name, WasRunning: false);
        }

        var wasRunning = await Session.LeaveAsync();
        RequestContext.Set(Orleans.Runtime.Placement.IPlacementDirector.PlacementHintKey, address);
        this.MigrateOnIdle();
        return new SessionMove(local.Name, name, wasRunning);
    }

    public async Task<bool> DeleteAsync()
    {
        var deleted = await Session.DeleteAsync();
        DeactivateOnIdle();
        return deleted;
    }

    public Task<bool> HibernateAsync() => Session.HibernateAsync();

    /// <summary>From any thread: the session lets go of its turn and its state, because the silo stops.</summary>
    public Task LeaveAsync() => Task.Factory.StartNew(
        () => _session?.LeaveAsync() ?? Task.CompletedTask, CancellationToken.None, TaskCreationOptions.None, _scheduler!).Unwrap(); // added when it had one
}
