namespace Loire.Text;

/// <summary>Remembers the ids of words seen lately. Bounded: each word has one place, and a newcomer takes it.</summary>
/// <remarks>Entries are immutable and swapped whole, so readers and writers on many threads need no lock.</remarks>
internal sealed class WordCache
{
    public const int LongestWord = 48;
    private const int Slots = 1 << 14;

    private readonly Entry?[] _entries = new Entry?[Slots];

    public bool TryGet(ReadOnlySpan<char> word, out int slot, out int[] ids)
    {
        slot = string.GetHashCode(word) & (Slots - 1);
        var entry = Volatile.Read(ref _entries[slot]);
        var hit = entry is not null && word.SequenceEqual(entry.Word);
        ids = hit ? entry!.Ids : [];
        return hit;
    }

    public void Put(int slot, ReadOnlySpan<char> word, ReadOnlySpan<int> ids) =>
        Volatile.Write(ref _entries[slot], new Entry(word.ToString(), ids.ToArray()));

    private sealed record Entry(string Word, int[] Ids);
}
