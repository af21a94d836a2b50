using System.Runtime.InteropServices;
using Loire.Engine.State;

namespace Loire.Engine.Replica;

/// <summary>Slots and pages of a replica, and the resident states that give them up when they are needed.</summary>
/// <remarks>The stepping thread's own, but for <see cref="Residents"/>' questions.</remarks>
internal sealed class StatePlaces(int slots, int pages)
{
    private readonly SlotPool _slots = new(slots);
    private readonly PagePool _pages = new(pages);

    public ResidentStates Residents { get; } = new();

    public int Slots => _slots.Count;

    public int SlotsInUse => _slots.Count - _slots.Free;

    public int PagesInUse => _pages.Count - _pages.Free;

    /// <summary>A free slot, or that of the oldest resident state.</summary>
    /// <param name="slot">Leased.</param>
    /// <param name="mayEvict">False: a free one only.</param>
    public bool TryLeaseSlot(out int slot, bool mayEvict = true)
    {
        while (!_slots.TryLease(out slot))
        {
            if (!mayEvict || !TryEvict())
            {
                return false;
            }
        }

        return true;
    }

    public void ReleaseSlot(int slot) => _slots.Release(slot);

    /// <summary>Extends a page table; resident states give way, running sequences do not.</summary>
    /// <param name="pageTable">To grow.</param>
    /// <param name="tokens">Tokens that it must hold.</param>
    /// <param name="mayEvict">False: resident states do not give way either.</param>
    public bool TryGrow(List<int> pageTable, int tokens, bool mayEvict = true)
    {
        while (!_pages.TryGrow(pageTable, tokens))
        {
            if (!mayEvict || !TryEvict())
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>Holds the pages of a snapshot beside the sequence that fills them.</summary>
    public void Hold(ReadOnlySpan<int> held) => _pages.Hold(held);

    public void Release(ReadOnlySpan<int> held) => _pages.Release(held);

    public void Free(StatePlace place)
    {
        _slots.Release(place.Slot);
        _pages.Release(CollectionsMarshal.AsSpan(place.Pages));
        place.Pages.Clear();
    }

    /// <summary>Frees every resident state.</summary>
    public void FreeResidents()
    {
        while (TryEvict())
        {
        }
    }

    /// <summary>Proves that nothing is lost: every slot and page belongs to a sequence, a resident or nobody.</summary>
    /// <param name="sequences">Those that are not released yet.</param>
    public void Audit(int sequences)
    {
        _slots.Audit();
        _pages.Audit();
        if (sequences == 0 && SlotsInUse != Residents.Count)
        {
            throw new InvalidOperationException($"{SlotsInUse} slots are leased, {Residents.Count} states are resident and no sequence is left.");
        }
    }

    private bool TryEvict()
    {
        if (!Residents.TryTakeOldest(out var oldest))
        {
            return false;
        }

        Free(oldest.Place);
        return true;
    }
}
