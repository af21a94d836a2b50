using System.Collections.Immutable;
using System.Runtime.CompilerServices;
using Loire.Contracts;
using Loire.Silo.Models;
using Loire.Store;
using Loire.Telemetry;
using Microsoft.Extensions.Logging;
using Orleans.Runtime;
using SessionHistory = Loire.Contracts.SessionHistory;

namespace Loire.Silo.Sessions;

/// <summary>One conversation: what a session's grain does, without the grain. Orders turns, records them, moves the reference.</summary>
/// <remarks>
/// Owned by one scheduler. Pulls of a streamed turn interleave with other calls, so what keeps a second turn or a change out is
/// <c>_running</c> and <c>_changing</c>, set before the first await.
/// A lineage is remembered only while it is the newest that this activation knows; a lost swap forgets it.
/// </remarks>
internal sealed partial class Session(
    SessionKey key, ICheckpointStore store, ModelCatalog catalog, Func<string, IReplicaGrain> replicaOf, TurnDrain drain,
    LoireMetrics metrics, TimeProvider time, ILogger logger)
{
    private static readonly TimeSpan s_readersPatience = TimeSpan.FromMilliseconds(500);

    private readonly StateOwner _owner = new(key.Owner);
    private SessionLineage? _lineage;
    private TurnStream? _running;
    private string? _changing;
    private bool _left;
    private Departure? _departure;
    private string? _madeBy; // the turn that made the session, until it is committed
    private Task _committing = Task.CompletedTask;
    private (Digest Checkpoint, long Bytes) _stateBytes;

    public SessionKey Key => key;

    public ModelCatalog Catalog => catalog;

    public LoireMetrics Metrics => metrics;

    public ILogger Logger => logger;

    /// <summary>The head as this activation knows it.</summary>
    public string? Head => _lineage?.Head?.Id.ToString();

    public IReplicaGrain ReplicaOf(string model) => replicaOf(model);

    public async IAsyncEnumerable<TurnEvent> RunAsync(TurnRequest request, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var delivered = new DeliveredTokens(catalog.Require(request.Model).Tokenizer, request);
        var stream = Open(request);
        var before = stream.Request.Delivered;
        await foreach (var item in stream.ReadAsync(cancellationToken))
        {
            // A stream that was joined may begin before or after what this reader has.
            if (item.Chunk is not { Tokens.Length: > 0 } chunk)
            {
                yield return item;
                if (item.Kind == TurnEventKind.Started && delivered.Between(stream.Request) is { } missing)
                {
                    yield return TurnEvent.Of(missing);
                }

                continue;
            }

            if (delivered.RestOf(chunk, before) is { } rest)
            {
                yield return ReferenceEquals(rest, chunk) ? item : TurnEvent.Of(rest);
            }

            before = before.Length < delivered.Count ? [.. before, .. chunk.Tokens] : before;
        }
    }

    public async Task<SessionView?> GetAsync()
    {
        if (await LoadAsync() is not { } lineage)
        {
            return null;
        }

        var view = ViewOf(lineage, _running?.TurnId);
        return view.Checkpoint is { } checkpoint
            ? view with { StateBytes = await StateBytesAsync(checkpoint), Resident = await IsResidentAsync(view.Model, checkpoint) }
            : view;
    }

    public async Task<SessionHistory?> GetHistoryAsync(string? beforeTurn = null)
    {
        if (await LoadAsync() is not { } newest)
        {
            return null;
        }

        var lineage = newest.Before(beforeTurn) ?? newest;
        return new SessionHistory(lineage.Head?.Id.ToString(), catalog.NameOf(lineage.Reference.Model), lineage.Messages.ToWire(), lineage.Tokens);
    }

    /// <summary>May run beside a turn: the head stands while the turn runs.</summary>
    public async Task<SessionView> ForkAsync(ForkRequest request)
    {
        if (!SessionKey.IsValidId(request.NewId))
        {
            throw new ClusterException(
                FailureCode.InvalidRequest,
                $"'{request.NewId}' is no session id: 1 to {SessionKey.MaxIdLength} letters, digits, '.', '_', ':' and '-', beginning with a letter or digit.",
                "new_id");
        }

        var lineage = await RequireAsync();
        var at = request.At is null ? lineage.Head?.Id : Parse(request.At, "at");
        var reference = lineage.Reference.Fork(request.NewId, time.GetUtcNow(), at);
        var fork = lineage.At(at, reference) ?? throw NoTurn(request.At, "at");
        if (!await StoredAsync(store.TrySwapSessionAsync(reference, expectedEpoch: 0)))
        {
            throw new ClusterException(FailureCode.AlreadyExists, $"There is a session '{request.NewId}' already. Choose another name or delete it.", "new_id");
        }

        return ViewOf(fork, runningTurn: null);
    }

    public async Task<SessionView> RewindAsync(RewindRequest request)
    {
        using var change = Change("rewind");
        var lineage = await RequireAsync();
        var to = TargetOf(request, lineage);
        var reference = lineage.Reference.MoveTo(to, time.GetUtcNow());
        var rewound = lineage.At(to, reference) ?? throw NoTurn(request.To, "to");
        await SwapAsync(reference, lineage.Reference.Epoch);
        _lineage = rewound;
        return ViewOf(rewound, runningTurn: null);
    }

    /// <remarks>Reads no more of the past than it needs, so that a session whose past is damaged can be deleted too.</remarks>
    public async Task<bool> DeleteAsync()
    {
        using var change = Change("delete");
        await SettleAsync();
        if ((_lineage?.Reference ?? await StoredAsync(store.GetSessionAsync(_owner, key.Id))) is not { } reference)
        {
            return false;
        }

        var checkpoint = _lineage is { } known ? known.Head?.Checkpoint : await CheckpointOrNoneAsync(reference.Head);
        _lineage = null;
        if (!await StoredAsync(store.DeleteSessionAsync(_owner, key.Id, reference.Epoch)))
        {
            throw Stale();
        }

        await ReleaseAsync(reference.Model, checkpoint);
        return true;
    }

    public async Task<bool> HibernateAsync()
    {
        using var change = Change("hibernate");
        var lineage = await RequireAsync();
        return await ReleaseAsync(lineage.Reference.Model, lineage.Head?.Checkpoint);
    }

    /// <summary>Cancels the running turn, if there is one, and waits until what was delivered is committed.</summary>
    public async Task StopAsync()
    {
        if (_running is { } running)
        {
            await running.StopAsync();
        }

        await SettleAsync();
    }

    /// <summary>Whether it has something to take along, and runs no turn.</summary>
    public bool IsIdle => _running is null && !_left && _lineage is { Head.Checkpoint: not null };

    public bool IsRunning => _running is not null && !_left;

    /// <summary>Whether it has been read from the store or has run a turn, so that <see cref="IsIdle"/> says something.</summary>
    public bool IsKnown => _lineage is not null || _running is not null || _left;

    /// <summary>Lets go of everything, so that another silo can go on. Turns that come after it are told that the session has moved.</summary>
    /// <param name="to">Name of that silo, which is sent the state, if it is on the device. Null: the state is left to the store.</param>
    /// <param name="mayEvictForIdle">Whether the state of a session that runs no turn may take the place of others there; that of one that does may.</param>
    /// <remarks>A turn that runs ends here when its state is there: its readers ask again only then.</remarks>
    public async Task<Departure> LeaveAsync(string? to = null, bool mayEvictForIdle = true)
    {
        _left = true;
        var running = _running;
        var departure = _departure ??= new Departure(to, running is not null || mayEvictForIdle, time);
        if (running is not null)
        {
            await running.LeaveAsync();
            await Task.WhenAny(running.Left, Task.Delay(s_readersPatience, time)); // so that they have all that the stored state covers
        }

        await SettleAsync();
        if (await LeftAsync(departure) is { Head.Checkpoint: { } checkpoint } lineage)
        {
            await SendStateAsync(catalog.NameOf(lineage.Reference.Model), new StateSending { To = "", Owner = key.Owner, Checkpoint = checkpoint.ToString() });
            await ForgetStateAsync(lineage.Reference.Model, checkpoint);
        }

        departure.WasRunning |= running is not null;
        departure.End();
        return departure;
    }

    /// <summary>Sends the state along, once, if the session leaves for a silo that is known.</summary>
    /// <param name="model">Whose replica has it.</param>
    /// <param name="state">Which state; the silo is known here.</param>
    public async ValueTask SendStateAsync(string model, StateSending state)
    {
        if (_departure is not { To: { } to, Receipt: null } departure || !IsServed(model))
        {
            return;
        }

        try
        {
            departure.Receipt = await replicaOf(model).SendStateAsync(state with { To = to, MayEvict = departure.MayEvict });
        }
        catch (Exception fault) when (fault is OrleansException or ClusterException or TimeoutException)
        {
            departure.Receipt = StateReceipt.Refused(fault.Message);
        }
    }

    /// <summary>What the session that leaves is; read from the store if nobody has called it since it came here. Null when there is nothing to take along, or nothing can be read now.</summary>
    private async ValueTask<SessionLineage?> LeftAsync(Departure departure)
    {
        try
        {
            return _lineage ?? (departure is { To: not null, Receipt: null } ? await LoadAsync() : null);
        }
        catch (ClusterException unread)
        {
            LogNotRead(key, unread.Message);
            return null;
        }
    }

    /// <summary>The turn that ran has passed on its last token here: the pause begins.</summary>
    public void PauseBegins() => _departure?.Begin();

    /// <summary>Waits for a commit that its turn did not wait for.</summary>
    public Task SettleAsync() => _committing;

    /// <summary>The newest lineage. Null, and not remembered, when there is no such session.</summary>
    public async ValueTask<SessionLineage?> LoadAsync()
    {
        await SettleAsync();
        if (_lineage is { } known)
        {
            return known;
        }

        var loaded = await StoredAsync(SessionLineage.LoadAsync(store, _owner, key.Id));
        return _lineage ??= loaded; // another call may have loaded and moved it meanwhile
    }

    /// <summary>Writes the open turn to the reference, which is made if there is none.</summary>
    public async ValueTask BeginAsync(Digest model, TurnDraft draft)
    {
        var now = time.GetUtcNow();
        var lineage = _lineage ?? SessionLineage.New(SessionReference.Create(_owner, key.Id, model, now));
        var reference = _lineage is null ? lineage.Reference with { Open = draft.Open(now) } : lineage.Reference.Begin(draft.Open(now), now);
        await SwapAsync(reference, _lineage?.Reference.Epoch ?? 0);
        _madeBy = _lineage is null ? draft.Request.TurnId : null;
        _lineage = lineage with { Reference = reference };
    }

    /// <summary>Seals the turn and begins to commit it: the record first, then the reference, so that a crash in between loses only the turn's end.</summary>
    public (string Head, Task Committed) Commit(TurnDraft draft, TurnAnswer answer, FinishReason reason)
    {
        var lineage = _lineage ?? throw Stale();
        var record = draft.Seal(lineage.Reference.Model, _owner, answer, reason, time.GetUtcNow());
        var commit = CommitAsync(lineage, record);
        _committing = LoggedAsync(commit, draft.Request.TurnId);
        return (record.Id.ToString(), commit);
    }

    /// <summary>Clears the open turn; the head stands. If that cannot be written, the next turn overwrites it.</summary>
    public async ValueTask AbandonAsync(string turnId)
    {
        if (_lineage is not { Reference.Open: not null } lineage)
        {
            return;
        }

        try
        {
            if (_madeBy == turnId)
            {
                await UnmakeAsync(lineage);
                return;
            }

            var reference = lineage.Reference.MoveTo(lineage.Reference.Head, time.GetUtcNow());
            await SwapAsync(reference, lineage.Reference.Epoch);
            _lineage = lineage with { Reference = reference };
        }
        catch (ClusterException fault)
        {
            LogNotCleared(turnId, key, fault.Message);
        }
    }

    /// <summary>A first turn that came to nothing leaves no session behind.</summary>
    private async ValueTask UnmakeAsync(SessionLineage lineage)
    {
        _madeBy = null;
        _lineage = null;
        if (!await StoredAsync(store.DeleteSessionAsync(_owner, key.Id, lineage.Reference.Epoch)))
        {
            throw Stale();
        }
    }

    private TurnStream Open(TurnRequest request)
    {
        Check(request);
        if (_left)
        {
            throw new ClusterException(FailureCode.SessionMoved, $"Session '{key.Id}' goes on another silo. Call again.");
        }

        if (_running is { } running)
        {
            return running.TurnId != request.TurnId ? throw ClusterException.SessionBusy(key.Id, running.TurnId)
                : running.Request.AsksTheSameAs(request) ? running
                : throw TurnIdentity.IsTaken(request.TurnId);
        }

        if (_changing is { } change)
        {
            throw ClusterException.SessionChanging(key.Id, change);
        }

        drain.Enter();
        return _running = new TurnStream(request, new SessionTurn(this, request), Leave, drain.Cancelling);

        void Leave()
        {
            _running = null;
            drain.Leave();
        }
    }

    private static void Check(TurnRequest request)
    {
        var (field, found) = request switch
        {
            { TurnId.Length: 0 or > SessionReference.MaxIdLength } => (nameof(request.TurnId), $"has {request.TurnId.Length} characters; 1 to {SessionReference.MaxIdLength} are allowed"),
            { Tokens.IsDefaultOrEmpty: true } => (nameof(request.Tokens), "is empty: a turn has at least one new token"),
            { MaxTokens: < 1 } => (nameof(request.MaxTokens), $"is {request.MaxTokens}: at least 1 is expected"),
            { ExpectedHead: not null, ExpectNew: true } => (nameof(request.ExpectNew), $"is true beside the expected head {request.ExpectedHead}: a first turn has none"),
            { ExpectedHead: null, KeepTokens: not 0 } => (nameof(request.KeepTokens), $"is {request.KeepTokens} without an expected head: 0 is expected"),
            { ExpectedHead: null, KeepMessages: not 0 } => (nameof(request.KeepMessages), $"is {request.KeepMessages} without an expected head: 0 is expected"),
            _ => (null, ""),
        };
        if (field is not null)
        {
            throw new ClusterException(FailureCode.InvalidRequest, $"{field} {found}.", field);
        }
    }

    private async Task CommitAsync(SessionLineage lineage, TurnRecord record)
    {
        await StoredAsync(PutAsync(record));
        var reference = lineage.Reference.MoveTo(record.Id, time.GetUtcNow());
        await SwapAsync(reference, lineage.Reference.Epoch);
        _lineage = lineage.Append(record, reference);
        _madeBy = null;
    }

    private async ValueTask<bool> PutAsync(TurnRecord record)
    {
        await store.PutTurnAsync(record);
        return true;
    }

    private async Task LoggedAsync(Task commit, string turnId)
    {
        try
        {
            await commit;
        }
        catch (Exception fault)
        {
            LogNotCommitted(turnId, key, fault);
            await AbandonAsync(turnId);
        }
    }

    private async ValueTask SwapAsync(SessionReference next, long expectedEpoch)
    {
        if (!await StoredAsync(store.TrySwapSessionAsync(next, expectedEpoch)))
        {
            _lineage = null;
            throw Stale();
        }
    }

    /// <summary>Keeps turns and other changes out until it is disposed.</summary>
    private Gate Change(string what)
    {
        if (_running is { } running)
        {
            throw ClusterException.SessionBusy(key.Id, running.TurnId);
        }

        if (_changing is { } change)
        {
            throw ClusterException.SessionChanging(key.Id, change);
        }

        _changing = what;
        return new Gate(this);
    }

    private static Digest? TargetOf(RewindRequest request, SessionLineage lineage) => request switch
    {
        { Turns: { } turns, To: null } when turns >= 1 && turns <= lineage.Turns.Length =>
            turns == lineage.Turns.Length ? null : lineage.Turns[^(turns + 1)].Id,
        { Turns: { } turns, To: null } => throw new ClusterException(
            FailureCode.InvalidRequest, $"turns is {turns}; the session has {lineage.Turns.Length}, so 1 to {lineage.Turns.Length} can be taken back.", "turns"),
        { Turns: null, To: { } to } => Parse(to, "to"),
        _ => throw new ClusterException(FailureCode.InvalidRequest, "Exactly one of turns and to is expected.", "turns"),
    };

    private static Digest Parse(string turn, string field) => Digest.TryParse(turn, out var id) ? id : throw NoTurn(turn, field);

    private static ClusterException NoTurn(string? turn, string field) =>
        new(FailureCode.NotFound, $"The session has no turn '{turn}'. Its history lists the ids of its turns.", field);

    private ClusterException Stale() => new(
        FailureCode.StaleEpoch, $"Session '{key.Id}' was moved on by somebody else; this activation's epoch is stale. Read it again and retry.");

    private async ValueTask<SessionLineage> RequireAsync() => await LoadAsync() ?? throw ClusterException.SessionNotFound(key.Id);

    private SessionView ViewOf(SessionLineage lineage, string? runningTurn) =>
        SessionViews.Whole(lineage, catalog.NameOf(lineage.Reference.Model), runningTurn);

    private async ValueTask<long> StateBytesAsync(string checkpoint)
    {
        var address = Digest.Parse(checkpoint);
        if (_stateBytes.Checkpoint != address)
        {
            _stateBytes = (address, (await StoredAsync(store.GetCheckpointAsync(address)))?.StateBytes ?? 0);
        }

        return _stateBytes.Bytes;
    }

    private async ValueTask<bool> IsResidentAsync(string model, string checkpoint) =>
        IsServed(model) && (await replicaOf(model).AreResidentAsync(ImmutableArray.Create(checkpoint)))[0];

    /// <summary>Nobody comes back here for it. If it cannot be released now, it goes when its place is needed.</summary>
    private async ValueTask ForgetStateAsync(Digest digest, Digest checkpoint)
    {
        try
        {
            await ReleaseAsync(digest, checkpoint);
        }
        catch (Exception fault) when (fault is OrleansException or ClusterException)
        {
            LogNotForgotten(key, fault.Message);
        }
    }

    private async ValueTask<bool> ReleaseAsync(Digest digest, Digest? checkpoint) =>
        checkpoint is { } address
        && catalog.NameOf(digest) is var model
        && IsServed(model)
        && await replicaOf(model).ReleaseAsync(address.ToString());

    private async ValueTask<Digest?> CheckpointOrNoneAsync(Digest? turn)
    {
        try
        {
            return turn is { } id ? (await store.GetTurnAsync(id))?.Checkpoint : null;
        }
        catch (StoreException fault)
        {
            LogNotRead(key, fault.Message);
            return null;
        }
    }

    private bool IsServed(string model) => catalog.Models.Any(served => served.Id == model);

    private async ValueTask<T> StoredAsync<T>(ValueTask<T> task)
    {
        try
        {
            return await task;
        }
        catch (StoreException fault)
        {
            throw Replicas.ReplicaFaults.OfStore(fault, key.Id);
        }
    }

    private readonly struct Gate(Session session) : IDisposable
    {
        public void Dispose() => session._changing = null;
    }

    [LoggerMessage(LogLevel.Debug, "The state of session {Session} stays on the device that it leaves: {Fault}")]
    private partial void LogNotForgotten(SessionKey session, string fault);

    [LoggerMessage(LogLevel.Error, "Turn {Turn} of session {Session} could not be committed")]
    private partial void LogNotCommitted(string turn, SessionKey session, Exception fault);

    [LoggerMessage(LogLevel.Warning, "The newest turn of session {Session}, which is deleted or leaves, cannot be read; if its state is on a device, it stays until it is idle: {Fault}")]
    private partial void LogNotRead(SessionKey session, string fault);

    [LoggerMessage(LogLevel.Warning, "The open turn {Turn} of session {Session} could not be cleared, and is overwritten by the next: {Fault}")]
    private partial void LogNotCleared(string turn, SessionKey session, string fault);
}
