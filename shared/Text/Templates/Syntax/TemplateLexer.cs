namespace Loire.Text;

internal enum TokenKind
{
    Data,
    OutputBegin,
    OutputEnd,
    BlockBegin,
    BlockEnd,
    Name,
    Text,
    Integer,
    Float,
    Operator,
    End,
}

internal readonly record struct Token(TokenKind Kind, string Text, int Line)
{
    public override string ToString() => Kind switch
    {
        TokenKind.End => "the end of the template",
        TokenKind.BlockEnd => "'%}'",
        TokenKind.OutputEnd => "'}}'",
        TokenKind.Text => "a string",
        _ => $"'{Text}'",
    };
}

/// <summary>Cuts a template into tokens, with white space controlled as transformers sets it: trim_blocks and lstrip_blocks.</summary>
internal sealed partial class TemplateLexer
{
    private static readonly string[] s_operators =
        ["//", "**", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[", "]", "(", ")", "{", "}", ">", "<", "=", ".", ":", "|", ",", ";"];

    private readonly string _name;
    private readonly string _source;
    private readonly List<Token> _tokens = [];
    private int _at;
    private int _line = 1;
    private bool _lineStarts = true;

    private TemplateLexer(string source, string name)
    {
        _name = name;
        _source = source;
    }

    public static List<Token> Read(string source, string name)
    {
        source = source.Replace("\r\n", "\n", StringComparison.Ordinal).Replace('\r', '\n');
        if (source.EndsWith('\n'))
        {
            source = source[..^1]; // Jinja drops one newline at the end
        }

        var lexer = new TemplateLexer(source, name);
        lexer.ReadData();
        return lexer._tokens;
    }

    private TemplateException Bad(string reason) => new(_name, _line, "syntax", reason);

    private void ReadData()
    {
        while (_at < _source.Length)
        {
            var open = NextOpening();
            if (open < 0)
            {
                AddData(_source[_at..]);
                Advance(_source.Length);
                break;
            }

            var kind = _source[open + 1];
            AddData(DataBefore(open, kind));
            Advance(open + 2);
            if (_at < _source.Length && _source[_at] is '-' or '+')
            {
                Advance(_at + 1);
            }

            ReadTag(kind);
        }

        _tokens.Add(new Token(TokenKind.End, "", _line));
    }

    private int NextOpening()
    {
        for (var from = _at; ;)
        {
            var open = _source.IndexOf('{', from);
            if (open < 0 || open + 1 >= _source.Length)
            {
                return -1;
            }

            if (_source[open + 1] is '{' or '%' or '#')
            {
                return open;
            }

            from = open + 1;
        }
    }

    private string DataBefore(int open, char kind)
    {
        var data = _source[_at..open];
        var sign = open + 2 < _source.Length ? _source[open + 2] : '\0';
        if (sign == '-')
        {
            return data.TrimEnd();
        }

        if (sign == '+' || kind == '{')
        {
            return data;
        }

        // Blanks between the start of a line and a block go.
        var lineStart = data.LastIndexOf('\n') + 1;
        var ownsLine = lineStart > 0 || _lineStarts;
        return ownsLine && data.AsSpan(lineStart).IsWhiteSpace() ? data[..lineStart] : data;
    }

    private void ReadTag(char kind)
    {
        switch (kind)
        {
            case '#':
                SkipComment();
                break;
            case '%' when IsRaw():
                ReadRaw();
                break;
            case '%':
                _tokens.Add(new Token(TokenKind.BlockBegin, "{%", _line));
                ReadCode("%}", TokenKind.BlockEnd);
                break;
            default:
                _tokens.Add(new Token(TokenKind.OutputBegin, "{{", _line));
                ReadCode("}}", TokenKind.OutputEnd);
                break;
        }
    }

    private void AddData(string data)
    {
        if (data.Length > 0)
        {
            _tokens.Add(new Token(TokenKind.Data, data, _line));
        }
    }

    private void Advance(int to)
    {
        _line += _source.AsSpan(_at, to - _at).Count('\n');
        _lineStarts = to > 0 && _source[to - 1] == '\n';
        _at = to;
    }

    private void SkipComment()
    {
        var end = _source.IndexOf("#}", _at, StringComparison.Ordinal);
        if (end < 0)
        {
            throw Bad("a comment without '#}'");
        }

        var sign = end > _at ? _source[end - 1] : '\0';
        Advance(end + 2);
        AfterTag(sign, isBlock: true);
    }

    /// <summary>White space after a tag: all of it after '-', a block's own newline otherwise unless '+' keeps it.</summary>
    private void AfterTag(char sign, bool isBlock)
    {
        var end = _at;
        if (sign == '-')
        {
            while (end < _source.Length && char.IsWhiteSpace(_source[end]))
            {
                end++;
            }
        }
        else if (isBlock && sign != '+' && end < _source.Length && _source[end] == '\n')
        {
            end++;
        }

        Advance(end);
    }

    private bool IsRaw() => WordAt(_at, "raw") >= 0;

    /// <summary>Where the tag that holds only this word ends, from inside the tag; -1 when it is another tag.</summary>
    private int WordAt(int at, string word)
    {
        while (at < _source.Length && char.IsWhiteSpace(_source[at]))
        {
            at++;
        }

        if (string.CompareOrdinal(_source, at, word, 0, word.Length) != 0)
        {
            return -1;
        }

        at += word.Length;
        while (at < _source.Length && char.IsWhiteSpace(_source[at]))
        {
            at++;
        }

        if (at < _source.Length && _source[at] is '-' or '+')
        {
            at++;
        }

        return string.CompareOrdinal(_source, at, "%}", 0, 2) == 0 ? at + 2 : -1;
    }

    private void ReadRaw()
    {
        var end = WordAt(_at, "raw");
        var strips = _source[end - 3] == '-';
        Advance(end);
        if (strips)
        {
            AfterTag('-', isBlock: true);
        }

        for (var open = _at; ; open += 2)
        {
            open = _source.IndexOf("{%", open, StringComparison.Ordinal);
            if (open < 0)
            {
                throw Bad("'raw' without 'endraw'");
            }

            var inside = open + 2 < _source.Length && _source[open + 2] is '-' or '+' ? open + 3 : open + 2;
            var close = WordAt(inside, "endraw");
            if (close >= 0)
            {
                AddData(DataBefore(open, '%'));
                Advance(close);
                AfterTag(_source[close - 3], isBlock: true);
                return;
            }
        }
    }

    private void ReadCode(string close, TokenKind closing)
    {
        var brackets = new Stack<char>();
        while (true)
        {
            while (_at < _source.Length && char.IsWhiteSpace(_source[_at]))
            {
                Advance(_at + 1);
            }

            if (_at >= _source.Length)
            {
                return; // the parser says what was missing
            }

            var sign = _source[_at] is '-' or '+' && closing == TokenKind.BlockEnd || _source[_at] == '-' ? _source[_at] : '\0';
            var end = sign == '\0' ? _at : _at + 1;
            if (brackets.Count == 0 && string.CompareOrdinal(_source, end, close, 0, 2) == 0)
            {
                _tokens.Add(new Token(closing, close, _line));
                Advance(end + 2);
                AfterTag(sign, closing == TokenKind.BlockEnd);
                return;
            }

            ReadCodeToken(brackets);
        }
    }

    private void ReadCodeToken(Stack<char> brackets)
    {
        var c = _source[_at];
        if (c is '\'' or '"')
        {
            ReadText(c);
        }
        else if (char.IsAsciiDigit(c))
        {
            ReadNumber();
        }
        else if (c == '_' || char.IsLetter(c))
        {
            var end = _at + 1;
            while (end < _source.Length && (_source[end] == '_' || char.IsLetterOrDigit(_source[end])))
            {
                end++;
            }

            Add(TokenKind.Name, _source[_at..end], end);
        }
        else
        {
            var found = Array.Find(s_operators, o => string.CompareOrdinal(_source, _at, o, 0, o.Length) == 0)
                ?? throw Bad($"unexpected character '{c}'");
            Balance(found, brackets);
            Add(TokenKind.Operator, found, _at + found.Length);
        }
    }

    private void Balance(string found, Stack<char> brackets)
    {
        const int maxDepth = 256;
        switch (found)
        {
            case "(" or "[" or "{":
                brackets.Push(found == "(" ? ')' : found == "[" ? ']' : '}');
                if (brackets.Count > maxDepth)
                {
                    throw Bad($"brackets nested deeper than {maxDepth}");
                }

                break;
            case ")" or "]" or "}":
                if (!brackets.TryPop(out var expected) || expected != found[0])
                {
                    throw Bad($"unexpected '{found}'");
                }

                break;
        }
    }

    private void Add(TokenKind kind, string text, int end)
    {
        _tokens.Add(new Token(kind, text, _line));
        Advance(end);
    }
}
