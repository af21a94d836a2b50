using Loire.Engine.Replica;
using Loire.Engine.State;

namespace Loire.Host.Tests;

/// <summary>An engine that says what tests want it to say. Counts slots, snapshots and sequences, and proves that what is restored is the right state.</summary>
internal sealed class ScriptedEngine(int slots = 4, int contextTokens = 4096) : IReplicaEngine
{
    private readonly Lock _lock = new();
    private readonly List<(string Key, int[] Tokens)> _resident = [];
    private readonly Queue<Script> _scripts = [];
    private readonly List<ScriptedSequence> _sequences = [];

    public ReplicaShape Shape { get; } = new()
    {
        VocabularySize = ByteTokens.Count, ContextTokens = contextTokens, Slots = slots, Pages = contextTokens / StateShape.PageTokens * slots, State = ScriptedState.Shape,
    };

    public ReplicaLoad Load
    {
        get
        {
            lock (_lock)
            {
                var running = _sequences.Count(sequence => sequence.HoldsSlot);
                return new ReplicaLoad(running + _resident.Count, 0, running, _sequences.Count - running, _resident.Count, 0, PromptTokens, 0);
            }
        }
    }

    /// <summary>Prompt tokens that were computed, not restored.</summary>
    public long PromptTokens { get; private set; }

    public int Snapshots { get; private set; }

    /// <summary>Tokens of each state that was read from the store.</summary>
    public List<int> Restored { get; } = [];

    public bool IsDisposed { get; private set; }

    public IReadOnlyList<ScriptedSequence> Live => _sequences;

    /// <summary>What the next sequence says; without one it says "ok" and ends.</summary>
    public Script Next(string text, bool end = true) => Next(new Script { Tokens = [.. ByteTokens.Of(text), .. end ? [ByteTokens.End] : (int[])[]] });

    public Script Next(Script script)
    {
        _scripts.Enqueue(script);
        return script;
    }

    public ISequence Start(SequenceRequest request)
    {
        lock (_lock)
        {
            if (!_scripts.TryDequeue(out var script))
            {
                script = new Script { Tokens = [.. ByteTokens.Of("ok"), ByteTokens.End] };
            }

            script.Requests.Add(request);
            if (script.RefuseStart is { } refusal)
            {
                throw refusal;
            }

            var sequence = new ScriptedSequence(this, request, script);
            _sequences.Add(sequence);
            sequence.Begin();
            return sequence;
        }
    }

    public bool IsResident(string stateKey)
    {
        lock (_lock)
        {
            return _resident.Exists(state => state.Key == stateKey);
        }
    }

    public ValueTask<bool> ReleaseAsync(string stateKey)
    {
        lock (_lock)
        {
            return ValueTask.FromResult(_resident.RemoveAll(state => state.Key == stateKey) > 0);
        }
    }

    public void EvictAll()
    {
        lock (_lock)
        {
            _resident.Clear();
        }
    }

    /// <summary>Nothing runs, waits or is held, but resident states.</summary>
    public void Audit()
    {
        Assert.True(_sequences.Count == 0, $"{_sequences.Count} sequences were not released.");
        Assert.True(Snapshots == 0, $"{Snapshots} snapshots were not disposed.");
        Assert.True(_resident.Count <= Shape.Slots, $"{_resident.Count} states in {Shape.Slots} slots.");
    }

    public ValueTask DisposeAsync()
    {
        IsDisposed = true;
        return ValueTask.CompletedTask;
    }

    internal int[]? Take(string? key, int[] prompt)
    {
        lock (_lock)
        {
            var index = _resident.FindIndex(state => state.Key == key);
            if (index < 0)
            {
                return null;
            }

            var tokens = _resident[index].Tokens;
            _resident.RemoveAt(index);
            Assert.True(tokens.Length < prompt.Length && prompt.AsSpan().StartsWith(tokens), "A resident state was offered that is not the state of a proper prefix.");
            return tokens;
        }
    }

    internal void Count(int promptTokens)
    {
        lock (_lock)
        {
            PromptTokens += promptTokens;
        }
    }

    internal StateSnapshot Snapshot(int[] tokens, int fromPage)
    {
        lock (_lock)
        {
            Snapshots++;
        }

        return new ScriptedSnapshot(tokens, fromPage, () =>
        {
            lock (_lock)
            {
                Snapshots--;
            }
        });
    }

    internal void Release(ScriptedSequence sequence, string? residentKey, int[] state)
    {
        lock (_lock)
        {
            if (!_sequences.Remove(sequence))
            {
                return;
            }

            if (residentKey is not null)
            {
                _resident.RemoveAll(other => other.Key == residentKey);
                _resident.Add((residentKey, state));
                if (_resident.Count > Shape.Slots)
                {
                    _resident.RemoveAt(0);
                }
            }
        }
    }
}

/// <summary>What one sequence does.</summary>
internal sealed class Script
{
    public required int[] Tokens { get; init; }

    /// <summary>Tokens that a read gets at most.</summary>
    public int Chunk { get; init; } = 1;

    /// <summary>Tokens that are generated before their reader asks for them.</summary>
    public int Ahead { get; init; }

    /// <summary>Waits for <see cref="Resume"/> after so many tokens. -1: before the sequence is admitted.</summary>
    public int? PauseAfter { get; init; }

    /// <summary>Fails after so many tokens.</summary>
    public int? FailAfter { get; init; }

    public Exception? RefuseStart { get; init; }

    /// <summary>Completes when the sequence stands at <see cref="PauseAfter"/>.</summary>
    public TaskCompletionSource Paused { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public TaskCompletionSource Resumed { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>What the sequence was asked for.</summary>
    public List<SequenceRequest> Requests { get; } = [];

    public void Resume() => Resumed.TrySetResult();
}
