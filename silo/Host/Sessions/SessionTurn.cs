using System.Collections.Immutable;
using Loire.Contracts;
using Loire.Silo.Models;
using Loire.Silo.Replicas;
using Loire.Store;
using Microsoft.Extensions.Logging;

namespace Loire.Silo.Sessions;

/// <summary>One turn of a session, from the open turn in its reference to the commit.</summary>
/// <remarks>
/// 1. The lineage is loaded; a turn that is committed already is replayed from its record.
/// 2. The open turn is written to the reference, so that its prompt survives the process.
/// 3. The replica generates; its tokens are passed on, its checkpoints remembered.
/// 4. Turn record, then reference: the turn is committed before its last event is passed on.
/// Whatever fails in between leaves the old head standing and clears the open turn.
/// </remarks>
internal sealed partial class SessionTurn(Session session, TurnRequest request) : ITurnSource
{
    private readonly CancellationTokenSource _abort = new();
    private readonly TurnAnswer _answer = new();
    private TurnDraft? _draft;
    private Queue<TurnEvent>? _replay;
    private IAsyncEnumerator<TurnEvent>? _generated;
    private TurnFinish? _ended;
    private IReplicaGrain? _replica;
    private bool _opened;
    private bool _cancelled;
    private bool _leaving;
    private bool _closed;

    public async ValueTask<TurnEvent> NextAsync()
    {
        try
        {
            if (_draft is null && _replay is null)
            {
                await BeginAsync();
            }

            var next = _replay is { Count: > 0 } replay ? replay.Dequeue() : _ended is { } ended ? TurnEvent.Of(await EndAsync(ended)) : await GenerateAsync();
            if (next.Kind == TurnEventKind.Finished)
            {
                await CloseAsync();
            }

            return next;
        }
        catch (Exception fault) when (_leaving)
        {
            await CloseAsync();
            await SendStateAsync(); // if it has not gone: what the turn would have begun from
            throw fault as ClusterException is { Code: FailureCode.SessionMoved } moved ? moved : Moved();
        }
        catch (Exception fault)
        {
            await AbandonAsync();
            await session.SettleAsync();
            await CloseAsync();
            var told = Told(fault);
            session.Metrics.Turns.Failed(told.Code.ToString());
            LogFailed(session.Logger, request.TurnId, session.Key, told.Code, fault);
            throw told;
        }
    }

    public async ValueTask CancelAsync()
    {
        _cancelled = true;
        await EndAsync(passOn: false);
    }

    private async ValueTask EndAsync(bool passOn)
    {
        if (await IsCancelledByReplicaAsync(passOn))
        {
            return; // the stream ends by itself, with what was kept
        }

        if (!_closed)
        {
            await _abort.CancelAsync();
        }
    }

    public ValueTask LeaveAsync()
    {
        _leaving = true;
        session.PauseBegins();
        return EndAsync(passOn: true);
    }

    public void Dispose() => _abort.Dispose();

    /// <summary>False when the replica does not run the turn, or cannot be asked: then the stream is broken off from this end.</summary>
    private async ValueTask<bool> IsCancelledByReplicaAsync(bool passOn)
    {
        try
        {
            return _replica is { } replica && await replica.CancelAsync(session.Key.Owner, session.Key.Id, request.TurnId, passOn);
        }
        catch (Exception fault)
        {
            LogNotCancelled(session.Logger, request.TurnId, session.Key, fault);
            return false;
        }
    }

    private async Task BeginAsync()
    {
        await session.SettleAsync();
        var model = session.Catalog.Require(request.Model);
        var lineage = request.KeepSession || request.ExpectedHead is not null ? await session.LoadAsync() : null;
        if (request.KeepSession && lineage?.Find(request.TurnId) is { } committed)
        {
            _replay = committed.Answers(request, lineage) ? TurnReplay.Of(committed, new DeliveredTokens(model.Tokenizer, request)) : throw TurnIdentity.IsTaken(request.TurnId);
            return;
        }

        if (lineage is not null && lineage.Reference.Model != model.Digest)
        {
            throw new ClusterException(
                FailureCode.InvalidRequest,
                $"Session '{session.Key.Id}' belongs to model '{session.Catalog.NameOf(lineage.Reference.Model)}', and its tokens mean nothing to '{model.Id}' with digest {model.Digest}. Begin a new session.",
                "model");
        }

        var draft = TurnDraft.Of(request, lineage);
        if (request.KeepSession)
        {
            await session.BeginAsync(model.Digest, draft);
            _opened = true;
        }

        _draft = draft;
        if (!TakeDelivered(model, draft))
        {
            return;
        }

        if (_leaving)
        {
            throw Moved(); // before it has taken anything from the device
        }

        _replica = session.ReplicaOf(model.Id);
        _generated = _replica.GenerateAsync(Ask(draft), _abort.Token).GetAsyncEnumerator(_abort.Token);
    }

    /// <summary>Takes over what the caller has already. False: that is all of the turn, and only its commit is missing.</summary>
    private bool TakeDelivered(ServedModel model, TurnDraft draft)
    {
        if (request.Delivered.IsEmpty)
        {
            return true;
        }

        var delivered = new DeliveredTokens(model.Tokenizer, request);
        _answer.Append(new TokenChunk(request.Delivered, delivered.Text, []));
        session.Metrics.Turns.Resumed();
        LogResumed(session.Logger, request.TurnId, session.Key, delivered.Count);
        if (delivered.EndOf(model.EndTokens, out var rest) is not { } reason)
        {
            return true;
        }

        var restored = draft.Prompt.Length; // nothing is computed
        _replay = new Queue<TurnEvent>([TurnEvent.Of(new TurnStart(restored, restored, StateSource.Store))]);
        if (rest.Length > 0)
        {
            var chunk = new TokenChunk([], rest, []);
            _answer.Append(chunk);
            _replay.Enqueue(TurnEvent.Of(chunk));
        }

        _ended = new TurnFinish { Reason = reason, PromptTokens = restored, CachedTokens = restored, GeneratedTokens = delivered.Count };
        return false;
    }

    private ReplicaTurn Ask(TurnDraft draft) => new()
    {
        TurnId = request.TurnId,
        Owner = session.Key.Owner,
        Session = session.Key.Id,
        Tokens = [.. draft.Prompt, .. request.Delivered],
        Generated = request.Delivered.Length,
        Checkpoint = draft.Checkpoint?.ToString(),
        Sampling = request.Sampling,
        MaxTokens = request.MaxTokens - request.Delivered.Length,
        Stop = request.Stop,
        StopAtEnd = request.StopAtEnd,
        MustCheckpoint = request.KeepSession,
    };

    /// <summary>The next event for the readers. After a cancellation only the last one is of interest to anybody.</summary>
    private async ValueTask<TurnEvent> GenerateAsync()
    {
        var dropped = false;
        while (await MoveNextAsync())
        {
            var item = _generated!.Current; // opened by BeginAsync
            switch (item)
            {
                case { Checkpoint: { } checkpoint }:
                    _answer.Append(checkpoint);
                    break;
                case { Chunk: { } chunk } when _cancelled:
                    dropped |= chunk.Tokens.Length > 0;
                    break;
                case { Chunk: { } chunk }:
                    _answer.Append(chunk);
                    if (_leaving)
                    {
                        session.PauseBegins(); // with the last of what was generated
                    }

                    return item;
                case { Finish: { } finish }:
                    return TurnEvent.Of(await EndAsync(dropped ? finish with { Reason = FinishReason.Cancelled } : finish));
                default:
                    return item;
            }
        }

        return _cancelled
            ? TurnEvent.Of(await EndAsync(Cancelled()))
            : throw new ClusterException(FailureCode.ReplicaLost, $"The replica ended turn '{request.TurnId}' of session '{session.Key.Id}' without a last event. Retry with the same turn id.");
    }

    /// <summary>False when a cancelled turn's stream was broken off.</summary>
    private async ValueTask<bool> MoveNextAsync()
    {
        try
        {
            return await _generated!.MoveNextAsync(); // opened by BeginAsync
        }
        catch (OperationCanceledException) when (_cancelled)
        {
            return false;
        }
    }

    /// <summary>Not cancellable: the reader has seen these tokens, so the session has to agree.</summary>
    private async ValueTask<TurnFinish> EndAsync(TurnFinish finish)
    {
        if (_leaving && finish.Reason == FinishReason.Cancelled)
        {
            await SendStateAsync();
            throw Moved(); // the open turn stands, for whoever goes on with it
        }

        finish = finish with { GeneratedTokens = _answer.Tokens.Count };
        if (!_opened)
        {
            return finish;
        }

        if (finish.Reason == FinishReason.Cancelled && _answer.Tokens.Count == 0)
        {
            await AbandonAsync(); // nobody has seen anything of it
            return finish with { Head = session.Head };
        }

        var (head, commit) = session.Commit(_draft!, _answer, finish.Reason); // an opened turn has a draft
        _opened = false;
        if (request.Durability == Durability.Turn)
        {
            await commit;
        }

        return finish with { Head = head };
    }

    /// <summary>Whatever state of this turn is on the device goes along: its newest, or what it would have begun from.</summary>
    private async ValueTask SendStateAsync()
    {
        if (_draft is { } left)
        {
            ImmutableArray<int> all = [.. left.Prompt, .. _answer.Tokens];
            await session.SendStateAsync(request.Model, new StateSending { To = "", Owner = session.Key.Owner, Tokens = all[..^1] }); // the last one is fed there
        }
    }

    private async ValueTask AbandonAsync()
    {
        if (_opened)
        {
            _opened = false;
            await session.AbandonAsync(request.TurnId);
        }
    }

    private async ValueTask CloseAsync()
    {
        _closed = true;
        if (_generated is { } generated)
        {
            _generated = null;
            await _abort.CancelAsync();
            try
            {
                await generated.DisposeAsync();
            }
            catch (Exception fault)
            {
                // The turn has its outcome; the replica's own end of the stream is only logged.
                LogNotClosed(session.Logger, request.TurnId, session.Key, fault);
            }
        }
    }

    private ClusterException Moved() => new(
        FailureCode.SessionMoved, $"Session '{session.Key.Id}' moves to another silo, and turn '{request.TurnId}' goes on there. Call again with the same turn id.");

    private TurnFinish Cancelled() => new()
    {
        Reason = FinishReason.Cancelled, PromptTokens = _draft!.Prompt.Length, CachedTokens = 0, GeneratedTokens = 0,
    };

    private ClusterException Told(Exception fault) => fault switch
    {
        ClusterException known => known,
        StoreException => ReplicaFaults.OfStore(fault, session.Key.Id),
        _ => new ClusterException(
            FailureCode.ReplicaLost,
            $"The replica was lost in turn '{request.TurnId}' of session '{session.Key.Id}': {fault.Message} Retry with the same turn id.",
            retryAfter: TimeSpan.FromSeconds(1), inner: fault),
    };

    [LoggerMessage(LogLevel.Information, "Turn {Turn} of session {Session} goes on after {Tokens} tokens")]
    private static partial void LogResumed(ILogger logger, string turn, SessionKey session, int tokens);

    [LoggerMessage(LogLevel.Warning, "Turn {Turn} of session {Session} failed ({Code})")]
    private static partial void LogFailed(ILogger logger, string turn, SessionKey session, FailureCode code, Exception fault);

    [LoggerMessage(LogLevel.Warning, "Turn {Turn} of session {Session}: the replica could not be asked to cancel; its stream is broken off")]
    private static partial void LogNotCancelled(ILogger logger, string turn, SessionKey session, Exception fault);

    [LoggerMessage(LogLevel.Warning, "Turn {Turn} of session {Session}: the replica's stream did not close")]
    private static partial void LogNotClosed(ILogger logger, string turn, SessionKey session, Exception fault);
}
