using System.Collections.Immutable;
using System.Runtime.CompilerServices;
using Loire.Contracts;

namespace Loire.Gateway.Tests;

/// <summary>A session as its grain promises it, without a store: turns chained, heads checked, forks and rewinds.</summary>
internal sealed class FakeSession(SessionKey key, FakeCluster cluster) : ISessionGrain
{
    private readonly object _lock = new();
    private ImmutableArray<Record> _records = [];
    private string? _running;
    private string? _forkedFrom;
    private int _epoch;

    public SessionKey Key => key;

    public bool Exists { get; private set; }

    /// <summary>Completes when a turn's enumeration has ended, whatever ended it; true if it was cancelled.</summary>
    public TaskCompletionSource<bool> Ended { get; private set; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Runs before each turn is admitted: may throw what a grain may throw.</summary>
    public Action<TurnRequest> BeforeTurn { get; set; } = static _ => { };

    public string? Head => _records.IsEmpty ? null : _records[^1].Id;

    public ImmutableArray<int> Tokens => _records.IsEmpty ? [] : _records[^1].Tokens;

    public SessionView View => new()
    {
        Id = key.Id,
        Model = DemoModel.Id,
        Epoch = _epoch,
        Head = Head,
        Turns = _records.Length,
        Tokens = Tokens.Length,
        CheckpointTokens = Tokens.Length,
        StateBytes = 393_216 + 1024L * Tokens.Length,
        Resident = true,
        RunningTurn = _running,
        ForkedFrom = _forkedFrom,
        CreatedAt = TimeProvider.System.GetUtcNow(),
        UpdatedAt = TimeProvider.System.GetUtcNow(),
        History = [.. _records.Select(record => record.View)],
    };

    public async IAsyncEnumerable<TurnEvent> RunTurnAsync(TurnRequest request, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        cluster.Turns.Enqueue(request);
        if (Replay(request) is { } replay)
        {
            foreach (var item in replay)
            {
                yield return item;
            }

            yield break;
        }

        Begin(request);
        var cancelled = true;
        try
        {
            var prompt = Tokens[..request.KeepTokens].AddRange(request.Tokens);
            var answer = "";
            var generated = 0;
            yield return TurnEvent.Of(new TurnStart(prompt.Length, request.KeepTokens, request.KeepTokens > 0 ? StateSource.Device : StateSource.Prefill));
            await foreach (var piece in cluster.Script(request, cancellationToken).WithCancellation(cancellationToken))
            {
                answer += piece;
                ImmutableArray<int> tokens = [.. DemoModel.Tokenizer.Encode(piece)];
                generated += tokens.Length;
                yield return TurnEvent.Of(new TokenChunk(tokens, piece, LogProbsOf(request, tokens)));
            }

            var reason = generated >= request.MaxTokens ? FinishReason.Length : FinishReason.Stop;
            var finish = Commit(request, prompt, answer, generated + 1, reason);
            cancelled = false;
            yield return TurnEvent.Of(finish);
        }
        finally
        {
            _running = null;
            Ended.TrySetResult(cancelled);
        }
    }

    public Task<SessionView?> GetAsync() => Task.FromResult(Exists ? View : null);

    public Task<SessionHistory?> GetHistoryAsync(string? beforeTurn = null)
    {
        var retried = beforeTurn is null ? -1 : _records.ToList().FindIndex(record => record.View.TurnId == beforeTurn);
        var past = retried >= 0 ? _records[..retried] : _records;
        return Task.FromResult(!Exists ? null : new SessionHistory(
            past.IsEmpty ? null : past[^1].Id, DemoModel.Id, [.. past.SelectMany(record => record.View.Messages)], past.IsEmpty ? [] : past[^1].Tokens));
    }

    public Task<SessionView> ForkAsync(ForkRequest request)
    {
        var fork = cluster.Session(key with { Id = request.NewId });
        var records = request.At is null ? _records : _records[..(IndexOf(request.At) + 1)];
        if (!Exists)
        {
            throw ClusterException.SessionNotFound(key.Id);
        }

        if (fork.Exists)
        {
            throw new ClusterException(FailureCode.AlreadyExists, $"There is a session '{request.NewId}' already.", "id");
        }

        fork._records = records;
        fork._forkedFrom = key.Id;
        fork.Exists = true;
        return Task.FromResult(fork.View);
    }

    public Task<SessionMove> MoveAsync(string? silo) => Exists
        ? Task.FromResult(new SessionMove("silo-1", silo ?? "silo-2", WasRunning: _running is not null)
        {
            Via = silo == "silo-3" ? StateRoute.Store : StateRoute.Link, Bytes = silo == "silo-3" ? 0 : 598_016, WireBytes = 599_000, SharedBytes = 131_072, PauseMilliseconds = 4.0625,
            Reason = silo == "silo-3" ? "There is no room for it." : null,
        })
        : throw ClusterException.SessionNotFound(key.Id);

    public Task<SessionView> RewindAsync(RewindRequest request)
    {
        if (!Exists)
        {
            throw ClusterException.SessionNotFound(key.Id);
        }

        _records = request.To is { } to ? _records[..(IndexOf(to) + 1)] : _records[..Math.Max(0, _records.Length - request.Turns!.Value)];
        _epoch++;
        return Task.FromResult(View);
    }

    public Task<bool> DeleteAsync()
    {
        var existed = Exists;
        (Exists, _records) = (false, []);
        return Task.FromResult(existed);
    }

    public Task<bool> HibernateAsync() => Task.FromResult(Exists);

    private void Begin(TurnRequest request)
    {
        BeforeTurn(request);
        lock (_lock)
        {
            if (_running is not null)
            {
                throw ClusterException.SessionBusy(key.Id, _running);
            }

            if ((request.ExpectNew || request.ExpectedHead is not null) && request.ExpectedHead != Head)
            {
                throw new ClusterException(FailureCode.HeadMoved, $"Session '{key.Id}' is at '{Head}', not at '{request.ExpectedHead}'.");
            }

            _running = request.TurnId;
            Ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
        }
    }

    private TurnFinish Commit(TurnRequest request, ImmutableArray<int> prompt, string answer, int generated, FinishReason reason)
    {
        var tokens = prompt.AddRange(DemoModel.Tokenizer.Encode(answer)).Add(DemoModel.EndOfTurn);
        var finish = new TurnFinish
        {
            Reason = reason,
            PromptTokens = prompt.Length,
            CachedTokens = request.KeepTokens,
            GeneratedTokens = generated,
            Head = request.KeepSession ? $"record-{key.Id}-{_epoch + 1}" : null,
            FirstTokenMilliseconds = 12.5,
            DecodeMilliseconds = generated,
            StateBytes = 393_216 + 1024L * tokens.Length,
        };
        if (request.KeepSession)
        {
            var view = new TurnView
            {
                Id = finish.Head!,
                TurnId = request.TurnId,
                TotalTokens = tokens.Length,
                GeneratedTokens = generated,
                FinishReason = reason == FinishReason.Stop ? "stop" : "length",
                Messages = request.Messages.Add(new TranscriptMessage("assistant", answer)),
                At = TimeProvider.System.GetUtcNow(),
            };
            _records = (request.ExpectedHead is null ? ImmutableArray<Record>.Empty : _records).Add(new Record(view.Id, view, tokens, answer, finish));
            _epoch++;
            Exists = true;
        }

        return finish;
    }

    private TurnEvent[]? Replay(TurnRequest request) => !_records.IsEmpty && _records[^1].View.TurnId == request.TurnId
        ? [
            TurnEvent.Of(new TurnStart(_records[^1].Finish.PromptTokens, _records[^1].Finish.CachedTokens, StateSource.Device)),
            TurnEvent.Of(new TokenChunk([], _records[^1].Answer, [])),
            TurnEvent.Of(_records[^1].Finish),
        ]
        : null;

    private int IndexOf(string record)
    {
        var index = _records.Select(known => known.Id).ToList().IndexOf(record);
        return index >= 0 ? index : throw new ClusterException(FailureCode.NotFound, $"Session '{key.Id}' has no turn record '{record}'.", "at");
    }

    private static ImmutableArray<TokenLogProb> LogProbsOf(TurnRequest request, ImmutableArray<int> tokens) => request.Sampling.LogProbs < 0
        ? []
        : [.. tokens.Select(token => new TokenLogProb(token, -0.25f, [.. Enumerable.Range(0, request.Sampling.LogProbs).Select(rank => new TokenAlternative(100 + rank, -1 - rank))]))];

    private sealed record Record(string Id, TurnView View, ImmutableArray<int> Tokens, string Answer, TurnFinish Finish);
}
