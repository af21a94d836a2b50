using System.Text;
using Loire.Engine.Replica;
using Loire.Engine.State;

namespace Loire.Host.Tests;

/// <summary>One sequence of the scripted engine. Generates when it is read, and <see cref="Script.Ahead"/> tokens beyond.</summary>
internal sealed class ScriptedSequence(ScriptedEngine engine, SequenceRequest request, Script script) : ISequence
{
    private readonly TaskCompletionSource<SequenceStart> _started = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource<SequenceFinish> _finished = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _cancelled = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly List<int> _tokens = [.. request.Tokens];
    private int _read = request.Tokens.Length;
    private bool _ended;

    public Task<SequenceStart> Started => _started.Task;

    public Task<SequenceFinish> Finished => _finished.Task;

    public bool HoldsSlot => _started.Task.IsCompleted;

    private int Generated => _tokens.Count - request.Tokens.Length;

    private int[] State => [.. _tokens.Take(Generated == 0 && _ended ? 0 : _tokens.Count - 1)];

    public void Begin() => _ = BeginAsync();

    public async ValueTask<int> ReadAsync(Memory<GeneratedToken> destination, CancellationToken cancellationToken)
    {
        await _started.Task.WaitAsync(cancellationToken);
        while (!_ended && _tokens.Count - _read < Math.Min(script.Chunk, destination.Length))
        {
            await GenerateAsync(cancellationToken);
        }

        for (var ahead = 0; !_ended && ahead < script.Ahead; ahead++)
        {
            await GenerateAsync(cancellationToken);
        }

        var count = Math.Min(Math.Min(script.Chunk, destination.Length), _tokens.Count - _read);
        for (var i = 0; i < count; i++)
        {
            destination.Span[i] = new GeneratedToken(_tokens[_read], request.Sampling.LogProbs >= 0 ? -0.5f : float.NaN, _read);
            _read++;
        }

        return count;
    }

    public ReadOnlySpan<(int Token, float LogProb)> AlternativesOf(int index) => request.Sampling.LogProbs > 0 ? new[] { (7, -1f) } : [];

    public void Cancel()
    {
        if (_cancelled.TrySetResult())
        {
            End(SequenceEnd.Cancelled);
        }
    }

    public ValueTask<StateSnapshot> SnapshotAsync(int fromPage, CancellationToken cancellationToken) => ValueTask.FromResult(engine.Snapshot(State, fromPage));

    public ValueTask ReleaseAsync(string? residentKey)
    {
        Assert.True(_ended || _cancelled.Task.IsCompleted || _finished.Task.IsFaulted, "A sequence was released that runs.");
        engine.Release(this, residentKey, State);
        return ValueTask.CompletedTask;
    }

    private async Task BeginAsync()
    {
        if (script.PauseAfter == -1)
        {
            script.Paused.TrySetResult();
            await Task.WhenAny(script.Resumed.Task, _cancelled.Task);
        }

        if (_ended)
        {
            _started.TrySetResult(new SequenceStart(0, false, null));
            return;
        }

        var (cached, fromDevice, warning) = (0, false, (string?)null);
        if (request.ResidentKey is { } key && engine.Take(key, request.Tokens) is { } state)
        {
            (cached, fromDevice) = (state.Length, true);
        }
        else if (request.Restore is { } restore)
        {
            (cached, warning) = await RestoreAsync(restore);
        }

        engine.Count(request.Tokens.Length - cached);
        _started.TrySetResult(new SequenceStart(cached, fromDevice, warning));
    }

    private async Task<(int Cached, string? Warning)> RestoreAsync(StateRestore restore)
    {
        Assert.InRange(restore.TokenCount, 1, request.Tokens.Length - 1);
        var target = new ScriptedTarget(request.Tokens[..restore.TokenCount]);
        try
        {
            await Task.Run(async () => await restore.ReadAsync(target, CancellationToken.None));
            target.Audit();
            engine.Restored.Add(restore.TokenCount);
            return (restore.TokenCount, null);
        }
        catch (StateRefusedException refused)
        {
            return (0, refused.Message);
        }
        catch (Exception fault)
        {
            _started.TrySetException(fault);
            return (0, null);
        }
    }

    private async Task GenerateAsync(CancellationToken cancellationToken)
    {
        if (Generated == script.FailAfter)
        {
            var fault = new InvalidOperationException("The device is on fire.");
            _finished.TrySetException(fault);
            throw fault;
        }

        if (Generated == script.PauseAfter && !script.Resumed.Task.IsCompleted)
        {
            script.Paused.TrySetResult();
            await Task.WhenAny(script.Resumed.Task, _cancelled.Task).WaitAsync(cancellationToken);
            if (_ended)
            {
                return;
            }
        }

        if (Generated >= script.Tokens.Length)
        {
            End(SequenceEnd.EndToken);
            return;
        }

        _tokens.Add(script.Tokens[Generated]);
        EndIfDue();
    }

    private void EndIfDue()
    {
        var generated = _tokens.Skip(request.Tokens.Length).ToArray();
        var text = Encoding.Latin1.GetString([.. generated.SelectMany(ByteTokens.BytesOf)]);
        if (request.EndTokens.Contains(generated[^1]))
        {
            End(SequenceEnd.EndToken);
        }
        else if (request.StopTexts.Any(stop => text.Contains(Encoding.Latin1.GetString(stop), StringComparison.Ordinal)))
        {
            End(SequenceEnd.StopText);
        }
        else if (generated.Length == request.MaxNewTokens || _tokens.Count == engine.Shape.ContextTokens)
        {
            End(SequenceEnd.Length);
        }
    }

    private void End(SequenceEnd end)
    {
        if (!_ended)
        {
            _ended = true;
            _finished.TrySetResult(new SequenceFinish(end, _tokens.Count, State.Length));
            _started.TrySetResult(new SequenceStart(0, false, null));
        }
    }
}
