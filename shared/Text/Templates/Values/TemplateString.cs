using System.Text;

namespace Loire.Text;

/// <summary>A string in a template, which remembers which of its characters are somebody's words.</summary>
/// <remarks>
/// Cutting, joining and changing case keep the taint of each character; what rewrites a string taints all of what came of it.
/// So a control token can be told from the same characters in a message, whatever the template did with them.
/// </remarks>
internal sealed class TemplateString(string text, Taint taint = default)
{
    public static TemplateString Empty { get; } = new("");

    public string Text => text;

    public Taint Taint => taint;

    public bool IsTainted => !taint.IsNone;

    /// <summary>In code points, as Python counts.</summary>
    public int CodePoints
    {
        get
        {
            var count = text.Length;
            for (var i = 0; i + 1 < text.Length; i++)
            {
                if (char.IsSurrogatePair(text[i], text[i + 1]))
                {
                    count--;
                }
            }

            return count;
        }
    }

    public static TemplateString Tainted(string text) =>
        text.Length == 0 ? Empty : new TemplateString(text, new Taint([new TextRange(0, text.Length)]));

    /// <summary>What came of <paramref name="source"/> by a change that does not keep positions.</summary>
    public static TemplateString Derived(string text, TemplateString source) =>
        source.IsTainted ? Tainted(text) : new TemplateString(text);

    public TemplateString Slice(int start, int length) =>
        start == 0 && length == text.Length ? this
        : length == 0 ? Empty
        : new TemplateString(text.Substring(start, length), taint.Slice(start, length));

    public TemplateString Slice(int start) => Slice(start, text.Length - start);

    /// <summary>The same characters in another form, one for one.</summary>
    public TemplateString WithText(string sameLength) => new(sameLength, taint);

    /// <summary>The units at which each code point starts, and the end.</summary>
    public int[] Boundaries()
    {
        var starts = new List<int>(text.Length + 1);
        for (var i = 0; i < text.Length; i++)
        {
            starts.Add(i);
            if (i + 1 < text.Length && char.IsSurrogatePair(text[i], text[i + 1]))
            {
                i++;
            }
        }

        starts.Add(text.Length);
        return [.. starts];
    }

    public override string ToString() => text;
}

/// <summary>Puts a <see cref="TemplateString"/> together.</summary>
internal sealed class TextBuilder
{
    private const int MaxLength = 16 << 20;

    private readonly StringBuilder _text = new();
    private readonly List<TextRange> _tainted = [];

    public int Length => _text.Length;

    /// <exception cref="TemplateFault">The text grows beyond its bound.</exception>
    public TextBuilder Append(string text)
    {
        if (_text.Length + text.Length > MaxLength)
        {
            throw new TemplateFault($"a text of more than {MaxLength} characters");
        }

        _text.Append(text);
        return this;
    }

    public TextBuilder Append(char c)
    {
        _text.Append(c);
        return this;
    }

    public TextBuilder Append(TemplateString text)
    {
        var offset = _text.Length;
        foreach (var range in text.Taint.Ranges)
        {
            Mark(range.Start + offset, range.End + offset);
        }

        return Append(text.Text);
    }

    public TextBuilder Append(string text, bool tainted)
    {
        if (tainted && text.Length > 0)
        {
            Mark(_text.Length, _text.Length + text.Length);
        }

        return Append(text);
    }

    public TemplateString Build() =>
        new(_text.ToString(), _tainted.Count == 0 ? Taint.None : new Taint([.. _tainted]));

    private void Mark(int start, int end)
    {
        if (_tainted.Count > 0 && _tainted[^1].End == start)
        {
            _tainted[^1] = _tainted[^1] with { End = end };
        }
        else
        {
            _tainted.Add(new TextRange(start, end));
        }
    }
}
