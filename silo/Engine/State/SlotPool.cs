namespace Loire.Engine.State;

/// <summary>Leases slots. Knows slot numbers, not memory.</summary>
/// <remarks>Not thread-safe: the stepping thread owns it. Every slot is free or leased, never both, and none is lost (<see cref="Audit"/>).</remarks>
internal sealed class SlotPool
{
    private readonly Stack<int> _free;
    private readonly bool[] _leased;

    public SlotPool(int slots)
    {
        _free = new Stack<int>(Enumerable.Range(0, slots).Reverse());
        _leased = new bool[slots];
    }

    public int Count => _leased.Length;

    public int Free => _free.Count;

    /// <summary>False: none is free. The caller evicts or waits.</summary>
    public bool TryLease(out int slot)
    {
        if (!_free.TryPop(out slot))
        {
            return false;
        }

        _leased[slot] = true;
        return true;
    }

    public void Release(int slot)
    {
        if (!_leased[slot])
        {
            throw new InvalidOperationException($"Slot {slot} is released and was not leased.");
        }

        _leased[slot] = false;
        _free.Push(slot);
    }

    /// <exception cref="InvalidOperationException">A slot is lost or doubly owned.</exception>
    public void Audit()
    {
        var leased = _leased.Count(taken => taken);
        if (leased + _free.Count != Count || _free.Any(slot => _leased[slot]))
        {
            throw new InvalidOperationException($"{leased} slots leased and {_free.Count} free of {Count}.");
        }
    }
}
