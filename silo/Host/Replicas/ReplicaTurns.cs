using System.Runtime.CompilerServices;
using Loire.Contracts;
using Loire.Engine.Replica;
using Loire.Engine.State;
using Loire.Silo.Models;
using Loire.Store;
using Loire.Telemetry;
using Microsoft.Extensions.Logging;

namespace Loire.Silo.Replicas;

/// <summary>The turns of one replica: what a replica's grain does, without the grain.</summary>
/// <remarks>Owned by one scheduler: its members are not called from two threads at once.</remarks>
internal sealed class ReplicaTurns
{
    private readonly string _replica;
    private readonly ServedModel _model;
    private readonly IReplicaEngine _engine;
    private readonly SiloOptions _options;
    private readonly StartChooser _chooser;
    private readonly CheckpointWriter _writer;
    private readonly HashSet<TurnRun> _runs = [];

    public ReplicaTurns(
        string replica, ServedModel model, IReplicaEngine engine, ICheckpointStore store, SiloOptions options,
        LoireMetrics metrics, TimeProvider time, ILoggerFactory loggers)
    {
        (_replica, _model, _engine, _options, Metrics, Time) = (replica, model, engine, options, metrics, time);
        Logger = loggers.CreateLogger<ReplicaTurns>();
        Residents = new ResidentStates(engine);
        _writer = new CheckpointWriter(store, metrics, time);
        _chooser = new StartChooser(store, new CheckpointReader(store, metrics, time, loggers.CreateLogger<CheckpointReader>()), Residents);
    }

    public ReplicaShape Shape => _engine.Shape;

    public ResidentStates Residents { get; }

    public LoireMetrics Metrics { get; }

    public TimeProvider Time { get; }

    public ILogger Logger { get; }

    /// <summary>Turns that have begun and hold or wait for a slot.</summary>
    public int Running => _runs.Count;

    /// <summary>Runs one turn. Breaking off the enumeration frees the slot and keeps nothing.</summary>
    /// <exception cref="ClusterException">The turn failed.</exception>
    public async IAsyncEnumerable<TurnEvent> RunAsync(ReplicaTurn turn, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var events = new List<TurnEvent>(capacity: 4);
        await using var run = await ToldAsync(turn, OpenAsync(turn, cancellationToken));
        var start = await ToldAsync(turn, run.StartedAsync(cancellationToken));
        if (start is null)
        {
            yield return TurnEvent.Of(new TurnFinish
            {
                Reason = FinishReason.Cancelled, PromptTokens = turn.Tokens.Length - turn.Generated, CachedTokens = 0, GeneratedTokens = 0,
            });
            yield break;
        }

        yield return TurnEvent.Of(start);
        while (await ToldAsync(turn, run.ReadAsync(events, cancellationToken)))
        {
            foreach (var item in events)
            {
                yield return item;
            }

            events.Clear();
        }

        await ToldAsync(turn, run.FinishAsync(events, cancellationToken));
        foreach (var item in events)
        {
            yield return item;
        }
    }

    /// <summary>Ends a turn within one step, in good order.</summary>
    public bool Cancel(string owner, string session, string turnId, bool passOn = false)
    {
        var found = false;
        foreach (var run in _runs.Where(run => run.Turn.TurnId == turnId && run.Turn.Session == session && run.Turn.Owner == owner))
        {
            run.Cancel(passOn);
            found = true;
        }

        return found;
    }

    /// <summary>Called by a run when it is over.</summary>
    public void Forget(TurnRun run) => _runs.Remove(run);

    private async ValueTask<TurnRun> OpenAsync(ReplicaTurn turn, CancellationToken cancellationToken)
    {
        Check(turn);
        var prefix = StateAddress.Of(_model.Digest, new StateOwner(turn.Owner), turn.Tokens.AsSpan(), StateShape.PageTokens);
        var head = Digest.TryParse(turn.Checkpoint, out var address) ? address : (Digest?)null;
        var choice = await _chooser.ChooseAsync(prefix, head, cancellationToken);
        var sequence = _engine.Start(new SequenceRequest
        {
            Tokens = [.. turn.Tokens],
            Generated = turn.Generated,
            Sampling = turn.Sampling.ToSettings(),
            MaxNewTokens = turn.MaxTokens,
            EndTokens = turn.StopAtEnd ? _model.EndTokens : [],
            StopTexts = [.. turn.Stop.Select(System.Text.Encoding.UTF8.GetBytes)],
            ResidentKey = choice.Resident?.Address.ToString(),
            Restore = choice.Stored?.Restore,
        });
        var run = new TurnRun(
            this, turn, prefix, sequence, choice,
            new TurnCheckpoints(sequence, prefix, _writer, Metrics, _options.CheckpointEveryTokens, Logger),
            TurnText.After(_model.Tokenizer, turn.Stop, turn.Tokens.AsSpan()[^turn.Generated..], out _));
        _runs.Add(run);
        return run;
    }

    private void Check(ReplicaTurn turn)
    {
        if (turn.Tokens.Length >= Shape.ContextTokens)
        {
            throw new ClusterException(
                FailureCode.ContextTooLong,
                $"The prompt has {turn.Tokens.Length} tokens; model '{_model.Id}' holds {Shape.ContextTokens}, prompt and answer together. Shorten the history or fork an earlier turn.",
                "messages");
        }
    }

    private async ValueTask<T> ToldAsync<T>(ReplicaTurn turn, ValueTask<T> task)
    {
        try
        {
            return await task;
        }
        catch (Exception fault) when (fault is not OperationCanceledException)
        {
            throw ReplicaFaults.Of(fault, _replica, turn);
        }
    }

    private async ValueTask ToldAsync(ReplicaTurn turn, ValueTask task) =>
        await ToldAsync(turn, Done(task));

    private static async ValueTask<bool> Done(ValueTask task)
    {
        await task;
        return true;
    }
}
