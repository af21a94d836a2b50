using Orleans;
using Orleans.Concurrency;

namespace Loire.Contracts;

/// <summary>One conversation: owns its transcript and lineage, and runs one turn at a time.</summary>
/// <remarks>Key: <see cref="SessionKey.ToString"/>. Every failure is a <see cref="ClusterException"/>.</remarks>
public interface ISessionGrain : IGrainWithStringKey
{
    /// <summary>Runs one turn. The last event is <see cref="TurnEventKind.Finished"/>, sent after the commit unless the request says <see cref="Durability.Async"/>.</summary>
    /// <remarks>
    /// A request with the id of the running turn joins it instead of starting a second one; with the id of a committed
    /// turn it replays that turn's events; with such an id and another prompt it is refused. Breaking off the enumeration cancels the turn: what was delivered is committed.
    /// </remarks>
    IAsyncEnumerable<TurnEvent> RunTurnAsync([Immutable] TurnRequest request, CancellationToken cancellationToken = default);

    /// <summary>The session as stored, or null when there is none by this key.</summary>
    [AlwaysInterleave]
    Task<SessionView?> GetAsync();

    /// <summary>What a continuation is built on: the messages and tokens of the head. Null when there is no such session.</summary>
    /// <param name="beforeTurn">A turn's id: if that turn is committed already, what it was built on, so that a retry comes out as the same request.</param>
    [AlwaysInterleave]
    Task<SessionHistory?> GetHistoryAsync(string? beforeTurn = null);

    /// <summary>A new session that begins at this one's head, or at an earlier turn. Neither sees the other afterwards.</summary>
    Task<SessionView> ForkAsync([Immutable] ForkRequest request);

    /// <summary>Moves the head back to an earlier turn.</summary>
    Task<SessionView> RewindAsync([Immutable] RewindRequest request);

    /// <summary>Takes the session to another silo. A turn that runs goes on there: its stream ends with <see cref="FailureCode.SessionMoved"/>, and its reader asks again.</summary>
    /// <param name="silo">Name of the silo; null: any other.</param>
    /// <returns>From where to where; the same silo twice when there is no other.</returns>
    [AlwaysInterleave]
    Task<SessionMove> MoveAsync(string? silo);

    /// <summary>Removes the reference. False when there was none.</summary>
    Task<bool> DeleteAsync();

    /// <summary>Releases the slot and pages on the device; the state is in the store since its turn ended. True when a slot was released.</summary>
    Task<bool> HibernateAsync();
}
