using System.Globalization;
using System.Text;

namespace Loire.Text;

/// <remarks>This part reads numbers and strings, as Python writes them.</remarks>
internal sealed partial class TemplateLexer
{
    private void ReadNumber()
    {
        var end = _at;
        var kind = TokenKind.Integer;
        if (_source[_at] == '0' && _at + 1 < _source.Length && _source[_at + 1] is 'x' or 'X' or 'b' or 'B' or 'o' or 'O')
        {
            end = Digits(_at + 2, char.IsAsciiHexDigit);
        }
        else
        {
            end = Digits(end, char.IsAsciiDigit);
            if (end + 1 < _source.Length && _source[end] == '.' && char.IsAsciiDigit(_source[end + 1]))
            {
                kind = TokenKind.Float;
                end = Digits(end + 1, char.IsAsciiDigit);
            }

            var exponent = end + 1 < _source.Length && _source[end + 1] is '+' or '-' ? end + 2 : end + 1;
            if (end < _source.Length && _source[end] is 'e' or 'E' && exponent < _source.Length && char.IsAsciiDigit(_source[exponent]))
            {
                kind = TokenKind.Float;
                end = Digits(exponent, char.IsAsciiDigit);
            }
        }

        Add(kind, _source[_at..end].Replace("_", "", StringComparison.Ordinal), end);
    }

    private int Digits(int at, Func<char, bool> isDigit)
    {
        while (at < _source.Length && (isDigit(_source[at]) || (_source[at] == '_' && at + 1 < _source.Length && isDigit(_source[at + 1]))))
        {
            at++;
        }

        return at;
    }

    private void ReadText(char quote)
    {
        var text = new StringBuilder();
        var at = _at + 1;
        while (at < _source.Length && _source[at] != quote)
        {
            if (_source[at] == '\\' && at + 1 < _source.Length)
            {
                at = Escape(at + 1, text);
            }
            else
            {
                text.Append(_source[at++]);
            }
        }

        if (at >= _source.Length)
        {
            throw Bad($"a string without its closing {quote}");
        }

        Add(TokenKind.Text, text.ToString(), at + 1);
    }

    private int Escape(int at, StringBuilder text)
    {
        const string plain = "\\'\"abfnrtv";
        const string meaning = "\\'\"\a\b\f\n\r\t\v";
        var c = _source[at];
        var known = plain.IndexOf(c, StringComparison.Ordinal);
        if (known >= 0)
        {
            text.Append(meaning[known]);
            return at + 1;
        }

        switch (c)
        {
            case '\n':
                return at + 1;
            case 'x' or 'u' or 'U':
                return HexEscape(at + 1, c == 'x' ? 2 : c == 'u' ? 4 : 8, text);
            case 'N':
                throw Bad("escape '\\N'");
            case >= '0' and <= '7':
                var value = 0;
                var end = at;
                while (end < at + 3 && end < _source.Length && _source[end] is >= '0' and <= '7')
                {
                    value = (value * 8) + _source[end++] - '0';
                }

                text.Append((char)value);
                return end;
            default:
                text.Append('\\').Append(c);
                return at + 1;
        }
    }

    private int HexEscape(int at, int digits, StringBuilder text)
    {
        if (at + digits > _source.Length
            || !uint.TryParse(_source.AsSpan(at, digits), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var code)
            || code > 0x10FFFF)
        {
            throw Bad("an escape with too few or wrong hexadecimal digits");
        }

        _ = code > char.MaxValue ? text.Append(char.ConvertFromUtf32((int)code)) : text.Append((char)code);
        return at + digits;
    }
}
