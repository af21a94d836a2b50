using System.Globalization;
using System.Text.RegularExpressions;

namespace Loire.Text;

/// <summary>A published split pattern, run by .NET's engine as if it read code points.</summary>
/// <remarks>
/// .NET matches UTF-16 units, to which a letter outside the basic plane is two surrogates and no letter.
/// So a text with surrogates is matched in the shadow that it casts: one unit a code point, in which each character
/// outside the basic plane is played by one of the same general category inside it.
/// </remarks>
internal sealed class WordPattern
{
    private static readonly TimeSpan s_limit = TimeSpan.FromSeconds(2);
    private readonly Lazy<Regex> _regex;
    private readonly (string File, string Member) _origin;

    /// <param name="dotnetPattern">In .NET's dialect.</param>
    /// <param name="origin">The file and member that a pattern comes from, for errors.</param>
    /// <exception cref="ArgumentException">.NET cannot parse what the translation made.</exception>
    public WordPattern(string dotnetPattern, (string File, string Member) origin = default)
    {
        _origin = origin;
        // The interpreter validates at once; compiling waits for the first text.
        _ = new Regex(dotnetPattern, RegexOptions.CultureInvariant, s_limit);
        _regex = new(() => new Regex(dotnetPattern, RegexOptions.CultureInvariant | RegexOptions.Compiled, s_limit));
    }

    /// <summary>Matches in order; empty ones are left out.</summary>
    public MatchEnumerator Matches(ReadOnlySpan<char> text) =>
        text.IndexOfAnyInRange('\uD800', '\uDFFF') < 0
            ? new MatchEnumerator(_regex.Value.EnumerateMatches(text), null, _origin)
            : Shadowed(text);

    private MatchEnumerator Shadowed(ReadOnlySpan<char> text)
    {
        var shadow = new char[text.Length];
        var starts = new int[text.Length + 1];
        var count = 0;
        for (var i = 0; i < text.Length; count++)
        {
            starts[count] = i;
            var isPair = char.IsHighSurrogate(text[i]) && i + 1 < text.Length && char.IsLowSurrogate(text[i + 1]);
            shadow[count] = isPair ? StandIns.For(char.ConvertToUtf32(text[i], text[i + 1])) : text[i];
            i += isPair ? 2 : 1;
        }

        starts[count] = text.Length;
        return new MatchEnumerator(_regex.Value.EnumerateMatches(shadow.AsSpan(0, count)), starts, _origin);
    }

    public ref struct MatchEnumerator(Regex.ValueMatchEnumerator matches, int[]? starts, (string File, string Member) origin)
    {
        private Regex.ValueMatchEnumerator _matches = matches;

        public TextRange Current { get; private set; }

        public readonly MatchEnumerator GetEnumerator() => this;

        public bool MoveNext()
        {
            while (Advance())
            {
                var match = _matches.Current;
                if (match.Length > 0)
                {
                    var end = match.Index + match.Length;
                    Current = starts is null ? new TextRange(match.Index, end) : new TextRange(starts[match.Index], starts[end]);
                    return true;
                }
            }

            return false;
        }

        private bool Advance()
        {
            try
            {
                return _matches.MoveNext();
            }
            catch (RegexMatchTimeoutException error)
            {
                throw new TokenizerFormatException(
                    origin.File, origin.Member, $"a pattern that takes over {error.MatchTimeout.TotalSeconds} s for one word", "patterns without runaway backtracking", error);
            }
        }
    }
}

/// <summary>Rare characters of the basic plane that play those outside it: same general category, and Han for Han.</summary>
internal static class StandIns
{
    private const char Han = '\u3400';

    public static char For(int codePoint) => IsHan(codePoint) ? Han : For(CharUnicodeInfo.GetUnicodeCategory(codePoint));

    public static char For(UnicodeCategory category) => category switch
    {
        UnicodeCategory.UppercaseLetter => '\uA640',
        UnicodeCategory.LowercaseLetter => '\uA641',
        UnicodeCategory.TitlecaseLetter => '\u1F88',
        UnicodeCategory.ModifierLetter => '\uA717',
        UnicodeCategory.OtherLetter => '\uA840',
        UnicodeCategory.NonSpacingMark => '\uA8E0',
        UnicodeCategory.SpacingCombiningMark => '\uA823',
        UnicodeCategory.EnclosingMark => '\u20DD',
        UnicodeCategory.DecimalDigitNumber => '\uA8D0',
        UnicodeCategory.LetterNumber => '\u16EE',
        UnicodeCategory.OtherNumber => '\uA830',
        UnicodeCategory.SpaceSeparator => '\u205F',
        UnicodeCategory.LineSeparator => '\u2028',
        UnicodeCategory.ParagraphSeparator => '\u2029',
        UnicodeCategory.Control => '\u0001',
        UnicodeCategory.Format => '\u2060',
        UnicodeCategory.PrivateUse => '\uE000',
        UnicodeCategory.ConnectorPunctuation => '\uFE33',
        UnicodeCategory.DashPunctuation => '\u2E3A',
        UnicodeCategory.OpenPunctuation => '\u2E22',
        UnicodeCategory.ClosePunctuation => '\u2E23',
        UnicodeCategory.InitialQuotePunctuation => '\u2E02',
        UnicodeCategory.FinalQuotePunctuation => '\u2E03',
        UnicodeCategory.OtherPunctuation => '\uA8CE',
        UnicodeCategory.MathSymbol => '\u2A00',
        UnicodeCategory.CurrencySymbol => '\uA838',
        UnicodeCategory.ModifierSymbol => '\uA700',
        UnicodeCategory.OtherSymbol => '\uA836',
        _ => '\u0378', // unassigned
    };

    private static bool IsHan(int codePoint) =>
        codePoint is (>= 0x20000 and <= 0x2FA1F) or (>= 0x30000 and <= 0x323AF);
}
