using System.Buffers;

namespace Loire.Text;

/// <summary>A token that is found in the text as it stands, before any splitting.</summary>
internal sealed record AddedToken(int Id, string Content)
{
    /// <summary>A control token: never taken from text that a caller marks as somebody's words.</summary>
    public bool Special { get; init; }

    /// <summary>Only where no word character touches it.</summary>
    public bool SingleWord { get; init; }

    /// <summary>Swallows the white space before it.</summary>
    public bool StripLeft { get; init; }

    /// <summary>Swallows the white space after it.</summary>
    public bool StripRight { get; init; }

    /// <summary>Looked for after the normalizer has run, not before.</summary>
    public bool Normalized { get; init; }
}

/// <summary>Finds added tokens in text: leftmost first, longest among those that begin together.</summary>
internal sealed class AddedTokens
{
    private readonly Dictionary<(int Node, char Next), int> _edges = [];
    private readonly List<AddedToken?> _ends = [null];
    private readonly SearchValues<char> _firsts;

    /// <param name="tokens">Each with the text to look for: its content, or what the normalizer makes of it.</param>
    public AddedTokens(IEnumerable<(string Text, AddedToken Token)> tokens)
    {
        var firsts = new HashSet<char>();
        foreach (var (text, token) in tokens)
        {
            if (text.Length == 0)
            {
                continue;
            }

            firsts.Add(text[0]);
            Insert(text, token);
        }

        _firsts = SearchValues.Create([.. firsts]);
        IsEmpty = firsts.Count == 0;
    }

    public bool IsEmpty { get; }

    /// <summary>The next token at or after <paramref name="from"/>, with the white space that it swallows.</summary>
    public bool TryFind(ReadOnlySpan<char> text, int from, SpecialRule rule, out Found found)
    {
        for (var at = from; at < text.Length; at++)
        {
            var skipped = text[at..].IndexOfAny(_firsts);
            if (skipped < 0)
            {
                break;
            }

            at += skipped;
            if (LongestAt(text, at, rule, out var length) is { } token)
            {
                found = Widen(text, from, at, length, token);
                return true;
            }
        }

        found = default;
        return false;
    }

    private void Insert(string text, AddedToken token)
    {
        var node = 0;
        foreach (var c in text)
        {
            if (!_edges.TryGetValue((node, c), out var child))
            {
                child = _ends.Count;
                _ends.Add(null);
                _edges.Add((node, c), child);
            }

            node = child;
        }

        _ends[node] ??= token;
    }

    private AddedToken? LongestAt(ReadOnlySpan<char> text, int at, SpecialRule rule, out int length)
    {
        AddedToken? best = null;
        length = 0;
        var node = 0;
        for (var end = at; end < text.Length && _edges.TryGetValue((node, text[end]), out node); end++)
        {
            if (_ends[node] is { } token && rule.Allows(token, at, end + 1) && (!token.SingleWord || StandsAlone(text, at, end + 1)))
            {
                best = token;
                length = end + 1 - at;
            }
        }

        return best;
    }

    private static Found Widen(ReadOnlySpan<char> text, int from, int at, int length, AddedToken token)
    {
        var start = at;
        var end = at + length;
        while (token.StripLeft && start > from && char.IsWhiteSpace(text[start - 1]))
        {
            start--;
        }

        while (token.StripRight && end < text.Length && char.IsWhiteSpace(text[end]))
        {
            end++;
        }

        return new Found(start, end, token);
    }

    private static bool StandsAlone(ReadOnlySpan<char> text, int start, int end) =>
        (start == 0 || !IsWord(text[start - 1])) && (end == text.Length || !IsWord(text[end]));

    private static bool IsWord(char c) => char.IsLetterOrDigit(c) || c == '_' || char.IsSurrogate(c);

    public readonly record struct Found(int Start, int End, AddedToken Token);
}

/// <summary>Which special tokens may be taken from a text: none, all, or those that touch no tainted character.</summary>
/// <param name="parse">False: none.</param>
/// <param name="taint">In positions of the whole text.</param>
/// <param name="offset">Where the searched piece begins in the whole text.</param>
internal readonly struct SpecialRule(bool parse, Taint taint = default, int offset = 0)
{
    public bool Allows(AddedToken token, int start, int end) =>
        !token.Special || (parse && !taint.Touches(offset + start, offset + end));

    /// <summary>The same rule for a piece that begins at <paramref name="start"/>.</summary>
    public SpecialRule From(int start) => new(parse, taint, offset + start);

    /// <summary>The rule for a piece whose characters have moved: any taint in it taints all.</summary>
    public SpecialRule Whole(int start, int end) => new(parse && !taint.Touches(offset + start, offset + end));
}
