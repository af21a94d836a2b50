using System.Buffers;

namespace Loire.Text;

/// <summary>Cutting strings and putting them together, taint and all.</summary>
internal static class TextPieces
{
    private static readonly SearchValues<char> s_lineEnds = SearchValues.Create("\n\r\v\f\u001C\u001D\u001E\u0085\u2028\u2029");

    public static List<object?> Split(TemplateString text, string separator, int most)
    {
        var pieces = new List<object?>();
        var start = 0;
        while (separator.Length > 0 && (most < 0 || pieces.Count < most))
        {
            var at = text.Text.IndexOf(separator, start, StringComparison.Ordinal);
            if (at < 0)
            {
                break;
            }

            pieces.Add(text.Slice(start, at - start));
            start = at + separator.Length;
        }

        pieces.Add(text.Slice(start));
        return pieces;
    }

    public static List<object?> SplitFromRight(TemplateString text, string separator, int most)
    {
        var pieces = new List<object?>();
        var end = text.Text.Length;
        while (most < 0 || pieces.Count < most)
        {
            var at = end < separator.Length ? -1 : text.Text.AsSpan(0, end).LastIndexOf(separator);
            if (at < 0)
            {
                break;
            }

            pieces.Add(text.Slice(at + separator.Length, end - at - separator.Length));
            end = at;
        }

        pieces.Add(text.Slice(0, end));
        pieces.Reverse();
        return pieces;
    }

    /// <summary>What white space separates; with a limit, the rest keeps its inner white space.</summary>
    public static List<object?> Words(TemplateString text, int most, bool fromRight)
    {
        var words = new List<(int Start, int End)>();
        for (var i = 0; i < text.Text.Length; i++)
        {
            if (char.IsWhiteSpace(text.Text[i]))
            {
                continue;
            }

            var start = i;
            while (i < text.Text.Length && !char.IsWhiteSpace(text.Text[i]))
            {
                i++;
            }

            words.Add((start, i));
        }

        if (most >= 0 && words.Count > most + 1)
        {
            words = fromRight
                ? [(words[0].Start, words[^(most + 1)].End), .. words[^most..]]
                : [.. words[..most], (words[most].Start, text.Text.Length)];
        }

        return [.. words.Select(word => text.Slice(word.Start, word.End - word.Start))];
    }

    public static List<TemplateString> Lines(TemplateString text)
    {
        var lines = new List<TemplateString>();
        var start = 0;
        while (start < text.Text.Length)
        {
            var length = text.Text.AsSpan(start).IndexOfAny(s_lineEnds);
            if (length < 0)
            {
                lines.Add(text.Slice(start));
                break;
            }

            lines.Add(text.Slice(start, length));
            var end = start + length;
            start = text.Text[end] == '\r' && end + 1 < text.Text.Length && text.Text[end + 1] == '\n' ? end + 2 : end + 1;
        }

        return lines;
    }

    public static TemplateString Replace(TemplateString text, TemplateString old, TemplateString with, int most, RenderContext context)
    {
        if (old.Text.Length == 0)
        {
            throw new TemplateFault("replacing an empty string");
        }

        return Join(with, Split(text, old.Text, most), context);
    }

    /// <summary>Strict as the method, which takes only strings, or lenient as the filter, which takes anything as text.</summary>
    public static TemplateString Join(TemplateString separator, IReadOnlyList<object?> items, RenderContext context, bool strict = false)
    {
        var result = new TextBuilder();
        for (var i = 0; i < items.Count; i++)
        {
            if (strict && items[i] is not TemplateString)
            {
                throw new TemplateFault($"{Python.TypeName(items[i])} among strings to join");
            }

            var text = PythonText.Str(items[i]);
            context.SpendText((long)separator.Text.Length + text.Text.Length, result.Length);
            if (i > 0)
            {
                result.Append(separator);
            }

            result.Append(text);
        }

        return result.Build();
    }

    public static TemplateString Indent(TemplateString text, TemplateString by, bool first, bool blank, RenderContext context)
    {
        var result = new TextBuilder();
        var lines = Lines(new TextBuilder().Append(text).Append('\n').Build());
        for (var i = 0; i < lines.Count; i++)
        {
            context.SpendText((long)by.Text.Length + lines[i].Text.Length + 1, result.Length);
            if (i > 0)
            {
                result.Append('\n');
            }

            if (i == 0 ? first : blank || lines[i].Text.Length > 0)
            {
                result.Append(by);
            }

            result.Append(lines[i]);
        }

        return result.Build();
    }
}

/// <summary>Case, character for character, so that positions stay.</summary>
internal static class TextCase
{
    public static string Capitalize(string text) =>
        text.Length == 0 ? text : char.ToUpperInvariant(text[0]) + text[1..].ToLowerInvariant();

    /// <summary>As Python's <c>str.title</c>: a letter after anything that is no letter begins a word.</summary>
    public static string Title(string text) => Title(text, c => !char.IsLetter(c));

    /// <summary>As Jinja's filter: words begin after white space, hyphens and opening brackets.</summary>
    public static string TitleWords(string text) => Title(text, c => char.IsWhiteSpace(c) || c is '-' or '(' or '{' or '[' or '<');

    private static string Title(string text, Func<char, bool> separates) => string.Create(text.Length, text, (chars, source) =>
    {
        var begins = true;
        for (var i = 0; i < chars.Length; i++)
        {
            chars[i] = begins ? char.ToUpperInvariant(source[i]) : char.ToLowerInvariant(source[i]);
            begins = separates(source[i]);
        }
    });
}
