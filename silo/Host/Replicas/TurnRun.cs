using System.Collections.Immutable;
using Loire.Contracts;
using Loire.Engine.Replica;
using Loire.Store;
using Microsoft.Extensions.Logging;

namespace Loire.Silo.Replicas;

/// <summary>One turn in the engine: from admission to the release of its slot.</summary>
/// <remarks>
/// In order: <see cref="StartedAsync"/>, <see cref="ReadAsync"/> until it is false, <see cref="FinishAsync"/>; <see cref="DisposeAsync"/> at any time.
/// Its methods are called one at a time; <see cref="Cancel"/> may come between two awaits of any of them.
/// </remarks>
internal sealed partial class TurnRun : IAsyncDisposable
{
    private readonly ReplicaTurns _owner;
    private readonly ReplicaTurn _turn;
    private readonly PrefixDigests _prefix;
    private readonly ISequence _sequence;
    private readonly StartChoice _choice;
    private readonly TurnCheckpoints _checkpoints;
    private readonly TurnText _text;
    private readonly GeneratedToken[] _buffer = new GeneratedToken[64];
    private readonly long _queuedAt;
    private long _firstTokenAt;
    private int _cachedTokens;
    private bool _cancelled;
    private bool _released;

    public TurnRun(ReplicaTurns owner, ReplicaTurn turn, PrefixDigests prefix, ISequence sequence, StartChoice choice, TurnCheckpoints checkpoints, TurnText text)
    {
        (_owner, _turn, _prefix, _sequence, _choice, _checkpoints, _text) = (owner, turn, prefix, sequence, choice, checkpoints, text);
        _queuedAt = owner.Time.GetTimestamp();
    }

    public ReplicaTurn Turn => _turn;

    private int PromptTokens => _turn.Tokens.Length - _turn.Generated;

    /// <summary>Tokens passed on so far.</summary>
    private int Generated => _prefix.TokenCount - _turn.Tokens.Length;

    /// <summary>Ends the sequence within one step. What is generated but not passed on is dropped.</summary>
    public void Cancel()
    {
        _cancelled = true;
        _sequence.Cancel();
    }

    /// <summary>Waits for admission. Null: the turn was cancelled before.</summary>
    public async ValueTask<TurnStart?> StartedAsync(CancellationToken cancellationToken)
    {
        await Task.WhenAny(_sequence.Started, _sequence.Finished).WaitAsync(cancellationToken);
        if (!_sequence.Started.IsCompleted)
        {
            await _sequence.Finished;
            return null;
        }

        if (_cancelled && !_sequence.Started.IsCompletedSuccessfully)
        {
            return null;
        }

        var start = await _sequence.Started;
        _cachedTokens = Math.Min(start.CachedTokens, PromptTokens);
        _checkpoints.Begin(start.CachedTokens, _choice.PagesAfter(start));
        if (start.FromDevice && _choice.Resident is { } taken)
        {
            _owner.Residents.Remove(taken.Address);
        }

        var source = start.FromDevice ? StateSource.Device : start.CachedTokens > 0 ? StateSource.Store : StateSource.Prefill;
        _owner.Metrics.Turns.Started(PromptTokens, _cachedTokens, source.ToString());
        return new TurnStart(PromptTokens, _cachedTokens, source, start.Warning ?? _choice.Warning);
    }

    /// <summary>Waits for tokens. False: the sequence has ended. An empty chunk list means that nothing is to be passed on yet.</summary>
    public async ValueTask<bool> ReadAsync(List<TurnEvent> events, CancellationToken cancellationToken)
    {
        var count = await _sequence.ReadAsync(_buffer, cancellationToken);
        if (count > 0 && !_cancelled && !_text.IsStopped)
        {
            events.Add(TurnEvent.Of(Accept(count)));
            if (await _checkpoints.AdvanceAsync() is { } stored)
            {
                events.Add(TurnEvent.Of(Taken(stored)));
            }

            if (_text.IsStopped)
            {
                _sequence.Cancel(); // the engine sees the same bytes and has stopped by itself, unless they are not quite text
            }
        }

        return count > 0;
    }

    /// <summary>Stores the final state, gives the slot back, and says how the turn went.</summary>
    public async ValueTask FinishAsync(List<TurnEvent> events, CancellationToken cancellationToken)
    {
        var finish = await _sequence.Finished.WaitAsync(cancellationToken);
        var rest = _cancelled ? "" : _text.End();
        if (rest.Length > 0)
        {
            events.Add(TurnEvent.Of(new TokenChunk([], rest, [])));
        }

        var before = _checkpoints.Newest;
        var reason = ReasonOf(finish);
        if (_cancelled)
        {
            await ReleaseAndKeepAsync(finish);
        }
        else
        {
            await KeepAndReleaseAsync(finish);
        }

        if (_checkpoints.Newest is { } stored && stored != before)
        {
            events.Add(TurnEvent.Of(Taken(stored)));
        }

        events.Add(TurnEvent.Of(Report(finish, reason)));
    }

    /// <summary>Frees the slot at once, unless the turn has come to its end.</summary>
    public async ValueTask DisposeAsync()
    {
        try
        {
            if (!_released)
            {
                _sequence.Cancel();
                await ReleaseAsync(null);
            }
        }
        finally
        {
            _owner.Forget(this);
            await _checkpoints.DisposeAsync();
        }
    }

    private TokenChunk Accept(int count)
    {
        _firstTokenAt = _firstTokenAt == 0 ? _owner.Time.GetTimestamp() : _firstTokenAt;
        var tokens = ImmutableArray.CreateBuilder<int>(count);
        var logProbs = ImmutableArray.CreateBuilder<TokenLogProb>();
        var text = "";
        for (var i = 0; i < count && !_text.IsStopped; i++)
        {
            var token = _buffer[i];
            tokens.Add(token.Id);
            text += _text.Push(token.Id);
            if (_turn.Sampling.LogProbs >= 0)
            {
                logProbs.Add(new TokenLogProb(token.Id, token.LogProb, Alternatives(i)));
            }
        }

        var accepted = tokens.DrainToImmutable();
        _prefix.Append(accepted.AsSpan());
        return new TokenChunk(accepted, text, logProbs.DrainToImmutable());
    }

    private ImmutableArray<TokenAlternative> Alternatives(int index)
    {
        var alternatives = _sequence.AlternativesOf(index);
        var result = ImmutableArray.CreateBuilder<TokenAlternative>(alternatives.Length);
        foreach (var (token, logProb) in alternatives)
        {
            result.Add(new TokenAlternative(token, logProb));
        }

        return result.MoveToImmutable();
    }

    /// <summary>The ordinary end: the state is stored, then stays on the device for the next turn.</summary>
    private async ValueTask KeepAndReleaseAsync(SequenceFinish finish)
    {
        StoredCheckpoint? kept = null;
        if (CanKeep(finish))
        {
            try
            {
                kept = await KeepAsync();
            }
            catch (StoreException fault) when (!_turn.MustCheckpoint)
            {
                LogNotKept(_owner.Logger, _turn.TurnId, fault.Message);
            }
        }
        else
        {
            await _checkpoints.SettleAsync(writePending: true);
        }

        await ReleaseAsync(kept?.Address);
        if (kept is not null)
        {
            _owner.Residents.Add(new ResidentState(_prefix.Owner, kept.Address, kept.Tokens, kept.Pages, _owner.Time.GetUtcNow()));
        }
    }

    private async ValueTask<StoredCheckpoint> KeepAsync()
    {
        try
        {
            await _checkpoints.WriteFinalAsync(await _checkpoints.TakeFinalAsync());
        }
        catch (MissingStateException)
        {
            _checkpoints.ForgetPages();
            await _checkpoints.WriteFinalAsync(await _checkpoints.TakeFinalAsync());
        }

        return _checkpoints.Newest!; // just written
    }

    /// <summary>The end by cancellation: the slot is free first, and a state that cannot be stored is only computed again.</summary>
    private async ValueTask ReleaseAndKeepAsync(SequenceFinish finish)
    {
        if (!CanKeep(finish))
        {
            await ReleaseAsync(null);
            await _checkpoints.SettleAsync(writePending: true);
            return;
        }

        var snapshot = await _checkpoints.SnapshotAsync();
        await ReleaseAsync(null);
        await _checkpoints.SettleAsync(writePending: false);
        try
        {
            await _checkpoints.WriteFinalAsync(snapshot);
        }
        catch (StoreException fault)
        {
            LogNotKept(_owner.Logger, _turn.TurnId, fault.Message);
        }
    }

    /// <summary>A state that has seen tokens which nobody was given is of no use to the session.</summary>
    private bool CanKeep(SequenceFinish finish) => finish.StateTokens > 0 && finish.StateTokens <= _prefix.TokenCount;

    private async ValueTask ReleaseAsync(Digest? address)
    {
        _released = true;
        await _sequence.ReleaseAsync(address?.ToString());
    }

    private FinishReason ReasonOf(SequenceFinish finish) =>
        _text.IsStopped ? FinishReason.Stop
        : finish.End switch
        {
            SequenceEnd.EndToken or SequenceEnd.StopText => FinishReason.Stop,
            SequenceEnd.Length => FinishReason.Length,
            _ => FinishReason.Cancelled,
        };

    private TurnFinish Report(SequenceFinish finish, FinishReason reason)
    {
        var firstToken = _firstTokenAt == 0 ? 0 : _owner.Time.GetElapsedTime(_queuedAt, _firstTokenAt).TotalMilliseconds;
        var decode = finish.DecodeTime.TotalMilliseconds;
        _owner.Metrics.Turns.Finished(reason.ToString(), Generated, firstToken, decode);
        LogFinished(
            _owner.Logger, _turn.TurnId, reason, _turn.Tokens.Length, _cachedTokens, Generated,
            _owner.Time.GetElapsedTime(_queuedAt).TotalMilliseconds);
        return new TurnFinish
        {
            Reason = reason,
            PromptTokens = PromptTokens,
            CachedTokens = _cachedTokens,
            GeneratedTokens = Generated,
            FirstTokenMilliseconds = firstToken,
            DecodeMilliseconds = decode,
            StateBytes = _owner.Shape.State.BytesOf(Math.Min(finish.StateTokens, _prefix.TokenCount)),
        };
    }

    private static CheckpointTaken Taken(StoredCheckpoint stored) => new(stored.Address.ToString(), stored.Tokens, stored.StoredBytes, stored.StateBytes);

    [LoggerMessage(LogLevel.Information, "Turn {Turn} ended ({Reason}): {PromptTokens} prompt tokens, {CachedTokens} of them restored, {GeneratedTokens} generated, {Milliseconds} ms")]
    private static partial void LogFinished(
        ILogger logger, string turn, FinishReason reason, int promptTokens, int cachedTokens, int generatedTokens, double milliseconds);

    [LoggerMessage(LogLevel.Warning, "The state after turn {Turn} was not stored: {Fault}")]
    private static partial void LogNotKept(ILogger logger, string turn, string fault);
}
