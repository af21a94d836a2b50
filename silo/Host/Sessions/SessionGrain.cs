using System.Runtime.CompilerServices;
using Loire.Contracts;
using Loire.Silo.Models;
using Loire.Store;
using Loire.Telemetry;
using Microsoft.Extensions.Logging;
using Orleans;
using SessionHistory = Loire.Contracts.SessionHistory;

namespace Loire.Silo.Sessions;

/// <summary>One conversation. Everything it does is in <see cref="Session"/>; the grain gives it a name, a scheduler and an end.</summary>
/// <remarks>
/// Collected early: every turn that keeps no session leaves an activation behind, which nobody calls again, and reading a
/// lineage anew costs a few small files.
/// </remarks>
[CollectionAgeLimit(Minutes = 2)]
internal sealed class SessionGrain(
    ICheckpointStore store, ModelCatalog catalog, TurnDrain drain, LoireMetrics metrics, TimeProvider time, ILogger<SessionGrain> logger)
    : Grain, ISessionGrain
{
    private Session? _session;

    private Session Session => _session ??= new Session(
        SessionKey.Parse(this.GetPrimaryKeyString()), store, catalog,
        model => GrainFactory.GetGrain<IReplicaGrain>(new ReplicaKey(model, 0).ToString()), drain, metrics, time, logger);

    public override Task OnDeactivateAsync(DeactivationReason reason, CancellationToken cancellationToken) =>
        _session?.StopAsync() ?? Task.CompletedTask;

    public async IAsyncEnumerable<TurnEvent> RunTurnAsync(TurnRequest request, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        await foreach (var item in Session.RunAsync(request, cancellationToken))
        {
            yield return item;
        }
    }

    public Task<SessionView?> GetAsync() => Session.GetAsync();

    public Task<SessionHistory?> GetHistoryAsync(string? beforeTurn = null) => Session.GetHistoryAsync(beforeTurn);

    public Task<SessionView> ForkAsync(ForkRequest request) => Session.ForkAsync(request);

    public Task<SessionView> RewindAsync(RewindRequest request) => Session.RewindAsync(request);

    public Task<bool> DeleteAsync() => Session.DeleteAsync();

    public Task<bool> HibernateAsync() => Session.HibernateAsync();
}
