namespace Loire.Text;

internal static class SafeText
{
    private const char Replacement = '\uFFFD';

    /// <summary>The text with each surrogate that lacks its partner replaced, character for character.</summary>
    public static string WellFormed(string text)
    {
        var at = text.AsSpan().IndexOfAnyInRange('\uD800', '\uDFFF');
        if (at < 0)
        {
            return text;
        }

        char[]? copy = null;
        for (; at < text.Length; at++)
        {
            if (char.IsHighSurrogate(text[at]) && at + 1 < text.Length && char.IsLowSurrogate(text[at + 1]))
            {
                at++;
            }
            else if (char.IsSurrogate(text[at]))
            {
                copy ??= text.ToCharArray();
                copy[at] = Replacement;
            }
        }

        return copy is null ? text : new string(copy);
    }
}
