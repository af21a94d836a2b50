namespace Loire.Actors.Serialization;

/// <summary>Names methods in eight bytes: FNV-1a, 64 bits, of <c>interface/method</c>. Two of a process that collide are refused when it starts.</summary>
internal static class WireName
{
    public static ulong Of(string interfaceAlias, string methodAlias)
    {
        var hash = Mix(14695981039346656037UL, interfaceAlias);
        return Mix(unchecked((hash ^ '/') * 1099511628211UL), methodAlias);
    }

    private static ulong Mix(ulong hash, string text)
    {
        foreach (var character in text)
        {
            hash = unchecked((hash ^ character) * 1099511628211UL);
        }

        return hash;
    }
}
