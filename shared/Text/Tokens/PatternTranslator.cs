using System.Globalization;
using System.Text;

namespace Loire.Text;

/// <summary>Rewrites a pattern from the dialect of published tokenizers (Oniguruma, Rust) into .NET's.</summary>
/// <remarks>
/// Same in both: alternation, greedy and lazy quantifiers, groups, look-around, general categories, <c>\s</c>.
/// Rewritten: possessive quantifiers become atomic groups; <c>[a&amp;&amp;[^b]]</c> becomes <c>[a-[b]]</c>; some scripts become ranges;
/// <c>\w</c> takes in all marks; <c>^</c> and <c>$</c> mean lines; code point escapes take .NET's form.
/// Anything else is refused rather than read differently.
/// </remarks>
internal sealed class PatternTranslator
{
    private const int MaxLength = 1 << 16;
    private const int MaxDepth = 64;
    private const string WordSet = @"\p{L}\p{M}\p{Nd}\p{Pc}";

    private static readonly Dictionary<string, string> s_scripts = new(StringComparer.OrdinalIgnoreCase)
    {
        ["Han"] = @"\u2E80-\u2E99\u2E9B-\u2EF3\u2F00-\u2FD5\u3005\u3007\u3021-\u3029\u3038-\u303B\u3400-\u4DBF\u4E00-\u9FFF\uF900-\uFA6D\uFA70-\uFAD9",
        ["Hiragana"] = @"\u3041-\u3096\u309D-\u309F",
        ["Katakana"] = @"\u30A1-\u30FA\u30FD-\u30FF\u31F0-\u31FF\u32D0-\u32FE\u3300-\u3357\uFF66-\uFF6F\uFF71-\uFF9D",
        ["Hangul"] = @"\u1100-\u11FF\u302E-\u302F\u3131-\u318E\u3200-\u321E\u3260-\u327E\uA960-\uA97C\uAC00-\uD7A3\uD7B0-\uD7C6\uD7CB-\uD7FB\uFFA0-\uFFBE\uFFC2-\uFFC7\uFFCA-\uFFCF\uFFD2-\uFFD7\uFFDA-\uFFDC",
    };

    private static readonly Dictionary<string, string> s_categories = new(StringComparer.OrdinalIgnoreCase)
    {
        ["Letter"] = "L", ["Mark"] = "M", ["Number"] = "N", ["Punctuation"] = "P", ["Symbol"] = "S", ["Separator"] = "Z", ["Other"] = "C",
        ["Uppercase_Letter"] = "Lu", ["Lowercase_Letter"] = "Ll", ["Titlecase_Letter"] = "Lt", ["Modifier_Letter"] = "Lm", ["Other_Letter"] = "Lo",
        ["Nonspacing_Mark"] = "Mn", ["Spacing_Mark"] = "Mc", ["Enclosing_Mark"] = "Me", ["Decimal_Number"] = "Nd", ["Letter_Number"] = "Nl", ["Other_Number"] = "No",
    };

    private readonly string _source;
    private readonly StringBuilder _out = new();
    private int _at;

    private PatternTranslator(string source) => _source = source;

    /// <exception cref="FormatException">The pattern uses what .NET would read differently, or is out of bounds.</exception>
    public static string Translate(string source)
    {
        if (source.Length > MaxLength)
        {
            throw new FormatException($"a pattern of {source.Length} characters; at most {MaxLength} are allowed");
        }

        var translator = new PatternTranslator(source);
        translator.Alternatives(0);
        return translator._at == source.Length ? translator._out.ToString() : throw translator.Bad("')' without '('");
    }

    private char Peek(int ahead = 0) => _at + ahead < _source.Length ? _source[_at + ahead] : '\0';

    private bool IsAt(string text) => string.CompareOrdinal(_source, _at, text, 0, text.Length) == 0;

    private FormatException Bad(string what) => new($"{what} at character {_at} of the pattern");

    private void Alternatives(int depth)
    {
        if (depth > MaxDepth)
        {
            throw Bad($"groups nested deeper than {MaxDepth}");
        }

        while (_at < _source.Length && Peek() != ')')
        {
            if (Peek() == '|')
            {
                _out.Append(_source[_at++]);
                continue;
            }

            var start = _out.Length;
            Atom(depth);
            Quantifiers(start);
        }
    }

    private void Atom(int depth)
    {
        var c = Peek();
        switch (c)
        {
            case '(':
                Group(depth);
                break;
            case '[':
                Class();
                break;
            case '\\':
                Escape(inClass: false);
                break;
            case '^':
                _at++;
                _out.Append("(?m:^)");
                break;
            case '$':
                _at++;
                _out.Append("(?m:$)");
                break;
            case '*' or '+' or '?':
                throw Bad($"'{c}' with nothing to repeat");
            case '{' or '}' or ']':
                _at++;
                _out.Append('\\').Append(c);
                break;
            default:
                Literal();
                break;
        }
    }

    private void Literal()
    {
        if (char.IsSurrogate(Peek()))
        {
            throw Bad("a character outside the basic plane");
        }

        _out.Append(_source[_at++]);
    }

    private void Group(int depth)
    {
        string[] openings = ["(?:", "(?=", "(?!", "(?<=", "(?<!", "(?>", "(?i:", "(?-i:", "(?i)", "(?-i)"];
        var opening = Array.Find(openings, IsAt) ?? (Peek(1) == '?' ? throw Bad($"group '{_source.Substring(_at, Math.Min(4, _source.Length - _at))}'") : "(");
        _at += opening.Length;
        _out.Append(opening == "(" ? "(?:" : opening);
        if (opening.EndsWith(')'))
        {
            return;
        }

        Alternatives(depth + 1);
        if (Peek() != ')')
        {
            throw Bad("'(' without ')'");
        }

        _at++;
        _out.Append(')');
    }

    /// <summary>Copies the quantifiers of the atom that was written from <paramref name="start"/> on.</summary>
    private void Quantifiers(int start)
    {
        while (TryQuantifier(out var quantifier))
        {
            var isInterval = quantifier[0] == '{';
            _out.Append(quantifier);
            if (Peek() == '?')
            {
                _at++;
                _out.Append('?');
            }
            else if (Peek() == '+' && !isInterval)
            {
                _at++;
                _out.Insert(start, "(?>").Append(')');
            }

            if (Peek() is '*' or '+' or '?')
            {
                _out.Insert(start, "(?:").Append(')'); // a quantifier of what is quantified already
            }
        }
    }

    private bool TryQuantifier(out string quantifier)
    {
        quantifier = "";
        if (Peek() is '*' or '+' or '?')
        {
            quantifier = _source[_at++].ToString();
            return true;
        }

        var close = Peek() == '{' ? _source.IndexOf('}', _at) : -1;
        if (close < 0)
        {
            return false;
        }

        var bounds = _source[(_at + 1)..close].Split(',');
        if (bounds.Length > 2 || !bounds.Any(b => b.Length > 0) || !bounds.All(b => b.Length <= 4 && b.All(char.IsAsciiDigit)))
        {
            return false;
        }

        _at = close + 1;
        var low = bounds[0].Length == 0 ? "0" : bounds[0];
        quantifier = bounds.Length == 1 ? $"{{{low}}}" : $"{{{low},{bounds[1]}}}";
        return true;
    }

    private void Class()
    {
        _at++;
        _out.Append('[');
        var negated = Peek() == '^';
        if (negated)
        {
            _at++;
            _out.Append('^');
        }

        if (Peek() == ']')
        {
            _at++;
            _out.Append(@"\]");
        }

        while (Peek() != ']')
        {
            if (_at >= _source.Length)
            {
                throw Bad("'[' without ']'");
            }

            if (IsAt("&&"))
            {
                Subtraction(negated);
                break;
            }

            ClassItem();
        }

        _at++;
        _out.Append(']');
    }

    private void ClassItem()
    {
        switch (Peek())
        {
            case '[':
                throw Bad("a class inside a class");
            case '\\':
                Escape(inClass: true);
                break;
            case '-' when Peek(1) == '[':
                throw Bad("a class inside a class");
            default:
                Literal();
                break;
        }
    }

    // [a&&[^b]] is the one intersection that .NET can say: a without b.
    private void Subtraction(bool negated)
    {
        if (negated || !IsAt("&&[^"))
        {
            throw Bad("a class intersection other than [...&&[^...]]");
        }

        _at += 4;
        _out.Append("-[");
        while (Peek() != ']')
        {
            if (_at >= _source.Length)
            {
                throw Bad("'[' without ']'");
            }

            ClassItem();
        }

        _at++;
        _out.Append(']');
        if (Peek() != ']')
        {
            throw Bad("a class intersection with more than one part");
        }
    }

    private void Escape(bool inClass)
    {
        var c = Peek(1);
        switch (c)
        {
            case 'p' or 'P':
                Property(inClass);
                return;
            case 'x' or 'u':
                CodePoint();
                return;
            case 'w':
                _at += 2;
                _out.Append(inClass ? WordSet : $"[{WordSet}]");
                return;
            case 'W' when !inClass:
                _at += 2;
                _out.Append($"[^{WordSet}]");
                return;
            case 'b' or 'B' or 'A' or 'z' or 'Z' when !inClass:
            case 'r' or 'n' or 't' or 'f' or 'v' or 's' or 'S' or 'd' or 'D':
                _at += 2;
                _out.Append('\\').Append(c);
                return;
            default:
                if (c == '\0' || !char.IsAscii(c) || char.IsAsciiLetterOrDigit(c))
                {
                    throw Bad($"escape '\\{c}'");
                }

                _at += 2;
                _out.Append('\\').Append(c);
                return;
        }
    }

    private void Property(bool inClass)
    {
        var negated = Peek(1) == 'P';
        var start = _at + 2;
        var close = Peek(2) == '{' ? _source.IndexOf('}', _at) : start;
        if (close < 0 || start >= _source.Length)
        {
            throw Bad("an unfinished property");
        }

        var name = Peek(2) == '{' ? _source[(start + 1)..close] : _source[start].ToString();
        if (name.StartsWith('^'))
        {
            negated = !negated;
            name = name[1..];
        }

        var parts = name.Split('=', 2);
        name = parts[^1];
        if (s_scripts.TryGetValue(name, out var ranges))
        {
            if (negated && inClass)
            {
                throw Bad($"negated script '{name}' inside a class");
            }

            _out.Append(inClass ? ranges : negated ? $"[^{ranges}]" : $"[{ranges}]");
        }
        else if (s_categories.TryGetValue(name, out var category) || (category = name) is { Length: 1 or 2 })
        {
            _out.Append(negated ? @"\P{" : @"\p{").Append(category).Append('}');
        }
        else
        {
            throw Bad($"property '{name}'");
        }

        _at = close + 1;
    }

    // \xHH, \uHHHH, \x{H...}, \u{H...}
    private void CodePoint()
    {
        var braced = Peek(2) == '{';
        var start = braced ? _at + 3 : _at + 2;
        var end = braced ? _source.IndexOf('}', _at) : start + (Peek(1) == 'x' ? 2 : 4);
        if (end < start || end > _source.Length
            || !int.TryParse(_source.AsSpan(start, end - start), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var value))
        {
            throw Bad("an unfinished code point");
        }

        if (value is < 0 or > char.MaxValue || char.IsSurrogate((char)value))
        {
            throw Bad("a code point outside the basic plane");
        }

        _out.Append(CultureInfo.InvariantCulture, $"\\u{value:X4}");
        _at = braced ? end + 1 : end;
    }
}
