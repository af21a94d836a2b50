namespace Orleans.Runtime;

/// <summary>A hash that is the same in every process and release, as placement by hash needs: FNV-1a, 32 bits, with a final mix.</summary>
internal static class StableHash
{
    public static uint Of(ReadOnlySpan<char> text)
    {
        var hash = 2166136261u;
        foreach (var character in text)
        {
            hash = unchecked((hash ^ character) * 16777619u);
        }

        // FNV leaves the high bits of short keys poor; two rounds of xor and multiply spread them.
        hash = unchecked((hash ^ (hash >> 15)) * 0x85EBCA6Bu);
        return hash ^ (hash >> 13);
    }
}
