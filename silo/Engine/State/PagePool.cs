namespace Loire.Engine.State;

/// <summary>Leases pages of keys and values to sequences and counts who holds each. Knows page numbers, not memory.</summary>
/// <remarks>
/// Not thread-safe: the stepping thread owns it. A page is free exactly when nobody holds it (<see cref="Audit"/>).
/// A snapshot holds pages beside the sequence that fills them: what is written of a page never changes.
/// </remarks>
internal sealed class PagePool
{
    private readonly Stack<int> _free;
    private readonly int[] _holders;

    public PagePool(int pages)
    {
        _free = new Stack<int>(Enumerable.Range(0, pages).Reverse());
        _holders = new int[pages];
    }

    public int Count => _holders.Length;

    public int Free => _free.Count;

    public static int PagesFor(int tokens) => (int)((tokens + (StateShape.PageTokens - 1L)) / StateShape.PageTokens);

    /// <summary>Extends a page table until it has room for <paramref name="tokens"/>, or leaves it as it was.</summary>
    /// <param name="pageTable">In position order; page i holds tokens [64 i, 64 (i + 1)).</param>
    /// <param name="tokens">Length that the sequence will have, in tokens.</param>
    /// <returns>False, and nothing leased, when too few pages are free.</returns>
    public bool TryGrow(List<int> pageTable, int tokens)
    {
        var missing = PagesFor(tokens) - pageTable.Count;
        if (missing > _free.Count)
        {
            return false;
        }

        for (; missing > 0; missing--)
        {
            var page = _free.Pop();
            _holders[page] = 1;
            pageTable.Add(page);
        }

        return true;
    }

    /// <summary>Holds pages once more.</summary>
    public void Hold(ReadOnlySpan<int> pages)
    {
        foreach (var page in pages)
        {
            if (_holders[page] == 0)
            {
                throw new InvalidOperationException($"Page {page} is held, but it is free.");
            }

            _holders[page]++;
        }
    }

    public void Release(ReadOnlySpan<int> pages)
    {
        foreach (var page in pages)
        {
            if (_holders[page] == 0)
            {
                throw new InvalidOperationException($"Page {page} is released and was not held.");
            }

            if (--_holders[page] == 0)
            {
                _free.Push(page);
            }
        }
    }

    /// <exception cref="InvalidOperationException">A page is lost or doubly owned.</exception>
    public void Audit()
    {
        var held = _holders.Count(holders => holders > 0);
        if (held + _free.Count != Count || _free.Any(page => _holders[page] != 0))
        {
            throw new InvalidOperationException($"{held} pages held and {_free.Count} free of {Count}.");
        }
    }
}
