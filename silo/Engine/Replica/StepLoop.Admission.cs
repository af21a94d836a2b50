using Loire.Engine.State;

namespace Loire.Engine.Replica;

/// <remarks>Admission: who gets a place, where its state comes from, and who has to give way.</remarks>
internal sealed partial class StepLoop
{
    private void Admit()
    {
        while (_waiting.First is { } node && TryPlace(node.Value))
        {
            _waiting.RemoveFirst();
            node.Value.Turn = FewestAndMost().Least;
            _running.Add(node.Value);
        }
    }

    /// <summary>Finds slot and pages for the known tokens of a sequence and begins to restore its state. False: no room yet.</summary>
    private bool TryPlace(Sequence sequence)
    {
        if (_running.Count == _places.Slots)
        {
            return false;
        }

        var needed = Math.Min(sequence.Count + 1, sequence.MaxTokens);
        if (sequence.Request.ResidentKey is { } key && sequence.Count == sequence.Request.Tokens.Length && Residents.TryTake(key, out var resident))
        {
            if (resident.TokenCount < sequence.Count && _places.TryGrow(resident.Place.Pages, needed))
            {
                sequence.Place = resident.Place;
                sequence.Computed = resident.TokenCount;
                Begin(sequence, new SequenceStart(resident.TokenCount, FromDevice: true, Warning: null));
                return true;
            }

            _places.Free(resident.Place);
        }

        if (!_places.TryLeaseSlot(out var slot))
        {
            return false;
        }

        var pages = new List<int>(PagePool.PagesFor(sequence.MaxTokens));
        if (!_places.TryGrow(pages, needed))
        {
            _places.ReleaseSlot(slot);
            return false;
        }

        sequence.Place = new StatePlace(slot, pages);
        sequence.Computed = 0;
        if (sequence.Request.Restore is { } restore && sequence.Count == sequence.Request.Tokens.Length)
        {
            sequence.Phase = SequencePhase.Restoring;
            _ = RestoreAsync(sequence, restore, new BackendStateTarget(_backend, sequence.Place, restore.TokenCount));
            return true;
        }

        _backend.ClearState(slot);
        Begin(sequence, new SequenceStart(0, FromDevice: false, Warning: null));
        return true;
    }

    private static void Begin(Sequence sequence, SequenceStart start)
    {
        sequence.Phase = SequencePhase.Running;
        sequence.MarkStarted(start);
    }

    private async Task RestoreAsync(Sequence sequence, StateRestore restore, StateTarget target)
    {
        Exception? failure = null;
        using var cancellation = CancellationTokenSource.CreateLinkedTokenSource(_ending.Token);
        sequence.RestoreCancellation = cancellation;
        StateUsers.Enter();
        try
        {
            await Task.Run(() => restore.ReadAsync(target, cancellation.Token).AsTask());
        }
        catch (Exception caught)
        {
            failure = caught; // handed to the sequence, whose reader decides
        }
        finally
        {
            sequence.RestoreCancellation = null;
            StateUsers.Leave();
        }

        _ = Ask(() => Restored(sequence, restore, failure));
    }

    private void Restored(Sequence sequence, StateRestore restore, Exception? failure)
    {
        sequence.Phase = SequencePhase.Running;
        if (sequence.ReleaseWhenRestored)
        {
            Release(sequence, residentKey: null);
            return;
        }

        if (_lost is { } lost)
        {
            _running.Remove(sequence);
            sequence.MarkFailed(lost);
            return;
        }

        switch (failure)
        {
            case null:
                sequence.Computed = restore.TokenCount;
                Begin(sequence, new SequenceStart(restore.TokenCount, FromDevice: false, Warning: null));
                break;
            case StateRefusedException refused:
                _backend.ClearState(sequence.Place!.Slot); // a restoring sequence has its place
                Begin(sequence, new SequenceStart(0, FromDevice: false, refused.Message));
                break;
            case OperationCanceledException when sequence.IsCancelled:
                End(sequence, SequenceEnd.Cancelled);
                break;
            default:
                _running.Remove(sequence);
                sequence.MarkFailed(failure);
                break;
        }
    }

    /// <summary>Makes the youngest running sequence start over. False when that is the one that asks: it starts over itself; and while steps are under way, in which it may be.</summary>
    private bool TryPreempt(Sequence asking)
    {
        if (_underWay.Count > 0)
        {
            return false;
        }

        for (var i = _running.Count - 1; i >= 0; i--)
        {
            var youngest = _running[i];
            if (youngest.Phase is not SequencePhase.Running || _inStep.Contains(youngest))
            {
                continue;
            }

            _running.RemoveAt(i);
            _places.Free(youngest.Place!); // running sequences have their place
            youngest.Place = null;
            youngest.Computed = 0;
            youngest.Phase = SequencePhase.Waiting;
            _waiting.AddFirst(youngest);
            _startOvers++;
            return youngest != asking;
        }

        return false;
    }

    /// <param name="pages">Page table to grow.</param>
    /// <param name="tokens">Tokens that it must hold.</param>
    /// <param name="running">The running sequence that must grow: others may start over for it.</param>
    private bool TryGrow(List<int> pages, int tokens, Sequence running)
    {
        while (!_places.TryGrow(pages, tokens))
        {
            if (!TryPreempt(running))
            {
                return false;
            }
        }

        return true;
    }
}
