using System.Buffers;

namespace Loire.Text;

/// <summary>Which neighbouring tokens merge into which, and in what order: the trained part of byte-pair encoding.</summary>
internal sealed class MergeTable(int capacity)
{
    // Below this length a scan for the lowest rank beats a heap.
    private const int ScanLength = 40;
    private const ulong None = ulong.MaxValue;

    // (left, right) -> rank in the upper half, merged id in the lower: comparing values compares ranks.
    private readonly Dictionary<ulong, ulong> _merges = new(capacity);

    public void Set(int left, int right, int rank, int merged) =>
        _merges[Pair(left, right)] = ((ulong)(uint)rank << 32) | (uint)merged;

    /// <summary>Merges a word's symbols in place, lowest rank first and leftmost among equals; returns how many remain.</summary>
    /// <remarks>O(n log n): a single word of megabytes is legal input.</remarks>
    public int Merge(Span<int> symbols) =>
        symbols.Length <= 1 || _merges.Count == 0 ? symbols.Length
        : symbols.Length <= ScanLength ? MergeByScan(symbols)
        : MergeByHeap(symbols);

    private static ulong Pair(int left, int right) => ((ulong)(uint)left << 32) | (uint)right;

    private ulong Find(int left, int right) => _merges.TryGetValue(Pair(left, right), out var merge) ? merge : None;

    private int MergeByScan(Span<int> symbols)
    {
        Span<ulong> merges = stackalloc ulong[ScanLength];
        var count = symbols.Length;
        for (var i = 0; i + 1 < count; i++)
        {
            merges[i] = Find(symbols[i], symbols[i + 1]);
        }

        while (count > 1)
        {
            var best = 0;
            for (var i = 1; i < count - 1; i++)
            {
                if (merges[i] < merges[best])
                {
                    best = i;
                }
            }

            if (merges[best] == None)
            {
                break;
            }

            symbols[best] = (int)(uint)merges[best];
            count--;
            symbols[(best + 2)..(count + 1)].CopyTo(symbols[(best + 1)..]);
            merges[(best + 1)..count].CopyTo(merges[best..]);
            if (best > 0)
            {
                merges[best - 1] = Find(symbols[best - 1], symbols[best]);
            }

            if (best < count - 1)
            {
                merges[best] = Find(symbols[best], symbols[best + 1]);
            }
        }

        return count;
    }

    private int MergeByHeap(Span<int> symbols)
    {
        var length = symbols.Length;
        var links = ArrayPool<int>.Shared.Rent(2 * length);
        try
        {
            var next = links.AsSpan(0, length);
            var previous = links.AsSpan(length, length);
            var heap = new PriorityQueue<int, (ulong Merge, int At)>(length);
            for (var i = 0; i < length; i++)
            {
                next[i] = i + 1;
                previous[i] = i - 1;
                if (i + 1 < length)
                {
                    Push(heap, symbols, i, i + 1);
                }
            }

            Drain(heap, symbols, next, previous);
            return Compact(symbols, next);
        }
        finally
        {
            ArrayPool<int>.Shared.Return(links);
        }
    }

    private void Drain(PriorityQueue<int, (ulong Merge, int At)> heap, Span<int> symbols, Span<int> next, Span<int> previous)
    {
        const int dead = -1;
        while (heap.TryDequeue(out var at, out var entry))
        {
            // An entry is stale when either side has merged since: then the pair means another merge, or none.
            if (symbols[at] == dead || next[at] >= symbols.Length || Find(symbols[at], symbols[next[at]]) != entry.Merge)
            {
                continue;
            }

            var right = next[at];
            symbols[at] = (int)(uint)entry.Merge;
            symbols[right] = dead;
            next[at] = next[right];
            if (next[at] < symbols.Length)
            {
                previous[next[at]] = at;
                Push(heap, symbols, at, next[at]);
            }

            if (previous[at] >= 0)
            {
                Push(heap, symbols, previous[at], at);
            }
        }
    }

    private static int Compact(Span<int> symbols, Span<int> next)
    {
        var count = 0;
        for (var i = 0; i < symbols.Length; i = next[i])
        {
            symbols[count++] = symbols[i];
        }

        return count;
    }

    private void Push(PriorityQueue<int, (ulong Merge, int At)> heap, Span<int> symbols, int left, int right)
    {
        var merge = Find(symbols[left], symbols[right]);
        if (merge != None)
        {
            heap.Enqueue(left, (merge, left));
        }
    }
}
