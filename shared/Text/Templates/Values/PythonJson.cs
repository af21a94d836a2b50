using System.Globalization;
using System.Numerics;
using System.Text;
using System.Text.Json;

namespace Loire.Text;

/// <summary><c>json.dumps</c> as chat templates know it, and JSON as template values.</summary>
internal sealed class PythonJson(TextBuilder output, PythonJson.Style style)
{
    private const int MaxDepth = 64;

    /// <summary>How to write; <see cref="Indent"/> is what one level is indented by, null for one line.</summary>
    public sealed record Style(bool AsciiOnly, string? Indent, TemplateString Item, TemplateString Key, bool SortKeys);

    public static TemplateString Write(object? value, Style style)
    {
        var output = new TextBuilder();
        new PythonJson(output, style).Write(value, 0);
        return output.Build();
    }

    /// <summary>A value from outside: every string in it is somebody's words.</summary>
    public static object? Read(JsonElement element, int depth = 0)
    {
        if (depth > MaxDepth)
        {
            throw new TemplateFault($"JSON nested deeper than {MaxDepth}");
        }

        switch (element.ValueKind)
        {
            case JsonValueKind.True or JsonValueKind.False:
                return element.ValueKind == JsonValueKind.True;
            case JsonValueKind.Number:
                return ReadNumber(element);
            case JsonValueKind.String:
                return TemplateString.Tainted(ReadText(() => element.GetString()!));
            case JsonValueKind.Array:
                return new TemplateList([.. element.EnumerateArray().Select(item => Read(item, depth + 1))]);
            case JsonValueKind.Object:
                var dict = new TemplateDict();
                foreach (var member in element.EnumerateObject())
                {
                    dict[TemplateString.Tainted(ReadText(() => member.Name))] = Read(member.Value, depth + 1);
                }

                return dict;
            default:
                return null;
        }
    }

    private static string ReadText(Func<string> read)
    {
        try
        {
            return read();
        }
        catch (InvalidOperationException error)
        {
            throw new TemplateFault($"a JSON string is no valid Unicode ({error.Message})");
        }
    }

    private static object ReadNumber(JsonElement element)
    {
        const int maxDigits = 1000;
        if (element.TryGetInt64(out var number))
        {
            return number;
        }

        var raw = element.GetRawText();
        return raw.Length <= maxDigits && raw.AsSpan().IndexOfAny(".eE") < 0
            ? Python.Narrow(BigInteger.Parse(raw, CultureInfo.InvariantCulture))
            : double.Parse(raw, CultureInfo.InvariantCulture);
    }

    private void Write(object? value, int depth)
    {
        if (depth > MaxDepth)
        {
            throw new TemplateFault($"writing JSON nested deeper than {MaxDepth}");
        }

        RenderContext.Charge(value is TemplateString { Text.Length: var length } ? (length / 8) + 1 : 1);
        switch (value)
        {
            case null:
                output.Append("null");
                break;
            case bool flag:
                output.Append(flag ? "true" : "false");
                break;
            case double number:
                output.Append(Number(number));
                break;
            case long or BigInteger:
                output.Append(PythonText.Str(value));
                break;
            case TemplateString text:
                WriteText(text);
                break;
            case TemplateList list:
                WriteAll('[', list.Items, ']', depth, item => Write(item, depth + 1));
                break;
            case TemplateDict dict:
                WriteDict(dict, depth);
                break;
            default:
                throw new TemplateFault($"{Python.TypeName(value)} cannot be written as JSON");
        }
    }

    private void WriteDict(TemplateDict dict, int depth)
    {
        var entries = dict.Entries;
        if (style.SortKeys)
        {
            entries = Python.Sort(entries, entry => entry.Key, descending: false);
        }

        WriteAll('{', entries, '}', depth, entry =>
        {
            WriteText(KeyText(entry.Key));
            output.Append(style.Key);
            Write(entry.Value, depth + 1);
        });
    }

    private void WriteAll<T>(char open, IEnumerable<T> items, char close, int depth, Action<T> write)
    {
        output.Append(open);
        var isEmpty = true;
        foreach (var item in items)
        {
            if (!isEmpty)
            {
                output.Append(style.Item);
            }

            isEmpty = false;
            NewLine(depth + 1);
            write(item);
        }

        if (!isEmpty)
        {
            NewLine(depth);
        }

        output.Append(close);
    }

    private void NewLine(int depth)
    {
        if (style.Indent is null)
        {
            return;
        }

        output.Append('\n');
        for (var i = 0; i < depth; i++)
        {
            output.Append(style.Indent);
        }
    }

    private static TemplateString KeyText(object? key) => key switch
    {
        TemplateString text => text,
        null => new TemplateString("null"),
        bool flag => new TemplateString(flag ? "true" : "false"),
        double number => new TemplateString(Number(number)),
        long or BigInteger => PythonText.Str(key),
        _ => throw new TemplateFault($"{Python.TypeName(key)} as a JSON key"),
    };

    private static string Number(double value) =>
        double.IsFinite(value) ? PythonText.Float(value) : double.IsNaN(value) ? "NaN" : value > 0 ? "Infinity" : "-Infinity";

    private void WriteText(TemplateString text)
    {
        var json = new StringBuilder(text.Text.Length + 2).Append('"');
        foreach (var c in text.Text)
        {
            _ = c switch
            {
                '"' => json.Append("\\\""),
                '\\' => json.Append("\\\\"),
                '\n' => json.Append("\\n"),
                '\r' => json.Append("\\r"),
                '\t' => json.Append("\\t"),
                '\b' => json.Append("\\b"),
                '\f' => json.Append("\\f"),
                _ when c < ' ' || (style.AsciiOnly && c > '~') => json.Append(CultureInfo.InvariantCulture, $"\\u{(int)c:x4}"),
                _ => json.Append(c),
            };
        }

        output.Append(json.Append('"').ToString(), text.IsTainted);
    }
}
