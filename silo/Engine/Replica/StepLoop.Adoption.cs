using System.Runtime.InteropServices;
using Loire.Engine.State;

namespace Loire.Engine.Replica;

/// <remarks>States that come from other replicas and go to them, beside the steps.</remarks>
internal sealed partial class StepLoop
{
    /// <summary>A copy of a resident state. Null: there is none under this key.</summary>
    public StateSnapshot? SnapshotResident(string key)
    {
        if (_lost is not null || !Residents.TryGet(key, out var resident))
        {
            return null;
        }

        var snapshot = new BackendStateSnapshot(_backend, resident.Place, resident.TokenCount, fromPage: 0, EndSnapshot);
        _places.Hold(snapshot.Held);
        StateUsers.Enter();
        return snapshot;
    }

    /// <summary>Any thread: reserves a place, has the state written into it beside the steps, and keeps it as resident.</summary>
    public async Task<bool> AdoptAsync(StateAdoption adoption, CancellationToken cancellationToken)
    {
        if (await AskAsync(() => Reserve(adoption), cancellationToken) is not { } target)
        {
            return false;
        }

        var isWhole = false;
        try
        {
            await ReadAsync(adoption.Restore, target, cancellationToken);
            isWhole = true;
        }
        finally
        {
            StateUsers.Leave();
            if (!isWhole)
            {
                _ = Ask(() => Keep(adoption.StateKey, target, isWhole: false));
            }
        }

        return await AskAsync(() => Keep(adoption.StateKey, target, isWhole: true), CancellationToken.None);
    }

    private async Task ReadAsync(StateRestore restore, StateTarget target, CancellationToken cancellationToken)
    {
        using var either = CancellationTokenSource.CreateLinkedTokenSource(_ending.Token, cancellationToken);
        await Task.Run(() => restore.ReadAsync(target, either.Token).AsTask(), CancellationToken.None);
    }

    /// <summary>Slot and pages for a state that comes. Null: no room that it may have. Sequences that wait come first.</summary>
    private BackendStateTarget? Reserve(StateAdoption adoption)
    {
        if (_lost is not null || _waiting.Count > 0 || Residents.Contains(adoption.StateKey))
        {
            return null;
        }

        var tokens = adoption.Restore.TokenCount;
        var pages = new List<int>(PagePool.PagesFor(tokens));
        var shared = Borrow(adoption, pages); // before anything is evicted, which may be the lender
        if (!_places.TryLeaseSlot(out var slot, adoption.MayEvict))
        {
            _places.Release(CollectionsMarshal.AsSpan(pages));
            return null;
        }

        if (!_places.TryGrow(pages, tokens, adoption.MayEvict))
        {
            _places.Free(new StatePlace(slot, pages));
            return null;
        }

        _unreleased++;
        StateUsers.Enter();
        return new BackendStateTarget(_backend, new StatePlace(slot, pages), tokens, shared);
    }

    /// <summary>Holds the pages that the lender has, once more. A full page never changes, whoever goes on after it.</summary>
    private int Borrow(StateAdoption adoption, List<int> pages)
    {
        if (adoption.LenderKey is not { } key || !Residents.TryGet(key, out var lender) || lender.TokenCount / StateShape.PageTokens < adoption.SharedPages)
        {
            return 0;
        }

        pages.AddRange(lender.Place.Pages.GetRange(0, adoption.SharedPages));
        _places.Hold(CollectionsMarshal.AsSpan(pages));
        return pages.Count;
    }

    private bool Keep(string key, BackendStateTarget target, bool isWhole)
    {
        _unreleased--;
        if (isWhole && _lost is null && Residents.TryAdd(key, target.Place, target.TokenCount))
        {
            return true;
        }

        _places.Free(target.Place);
        return false;
    }
}
