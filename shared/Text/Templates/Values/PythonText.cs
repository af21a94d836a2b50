using System.Globalization;
using System.Numerics;

namespace Loire.Text;

/// <summary>How Python writes values: <c>str()</c>, <c>repr()</c> and <c>json.dumps()</c>.</summary>
internal static class PythonText
{
    private const int MaxDepth = 64;

    /// <summary>As <c>str()</c>: strings as they are, undefined as nothing.</summary>
    public static TemplateString Str(object? value)
    {
        switch (value)
        {
            case TemplateString text:
                return text;
            case Undefined:
                return TemplateString.Empty;
            case long number:
                return new TemplateString(number.ToString(CultureInfo.InvariantCulture));
            default:
                var builder = new TextBuilder();
                WriteRepr(builder, value, 0);
                return builder.Build();
        }
    }

    /// <summary>As <c>repr()</c> of a float: the shortest digits that read back as the same number.</summary>
    public static string Float(double value)
    {
        if (!double.IsFinite(value))
        {
            return double.IsNaN(value) ? "nan" : value > 0 ? "inf" : "-inf";
        }

        var shortest = value.ToString("R", CultureInfo.InvariantCulture);
        var (digits, exponent) = Digits(shortest);
        var sign = value < 0 || (value == 0 && double.IsNegative(value)) ? "-" : "";
        if (exponent is < -4 or >= 16)
        {
            var fraction = digits.Length > 1 ? "." + digits[1..] : "";
            return $"{sign}{digits[0]}{fraction}e{(exponent < 0 ? '-' : '+')}{Math.Abs(exponent):00}";
        }

        if (exponent < 0)
        {
            return $"{sign}0.{new string('0', -exponent - 1)}{digits}";
        }

        var whole = digits.PadRight(exponent + 1, '0');
        var rest = whole[(exponent + 1)..];
        return $"{sign}{whole[..(exponent + 1)]}.{(rest.Length == 0 ? "0" : rest)}";
    }

    private static (string Digits, int Exponent) Digits(string shortest)
    {
        var mantissa = shortest.TrimStart('-');
        var exponent = 0;
        var e = mantissa.IndexOf('E', StringComparison.Ordinal);
        if (e >= 0)
        {
            exponent = int.Parse(mantissa[(e + 1)..], CultureInfo.InvariantCulture);
            mantissa = mantissa[..e];
        }

        var point = mantissa.IndexOf('.', StringComparison.Ordinal);
        exponent += (point < 0 ? mantissa.Length : point) - 1;
        var digits = mantissa.Replace(".", "", StringComparison.Ordinal);
        var leading = digits.Length - digits.TrimStart('0').Length;
        digits = digits.Trim('0');
        return digits.Length == 0 ? ("0", 0) : (digits, exponent - leading);
    }

    private static void WriteRepr(TextBuilder output, object? value, int depth)
    {
        if (depth > MaxDepth)
        {
            throw new TemplateFault($"printing a value nested deeper than {MaxDepth}");
        }

        RenderContext.Charge(value is TemplateString { Text.Length: var length } ? (length / 8) + 1 : 1);
        switch (value)
        {
            case null:
                output.Append("None");
                break;
            case bool flag:
                output.Append(flag ? "True" : "False");
                break;
            case long or BigInteger:
                output.Append(Convert.ToString(value, CultureInfo.InvariantCulture)!); // numbers have text
                break;
            case double number:
                output.Append(Float(number));
                break;
            case TemplateString text:
                output.Append(Quoted(text.Text), text.IsTainted);
                break;
            case TemplateList list:
                WriteItems(output, list.IsTuple ? "(" : "[", list.Items, list.IsTuple ? list.Items.Count == 1 ? ",)" : ")" : "]", depth);
                break;
            case TemplateDict dict:
                WriteEntries(output, dict.Entries, depth);
                break;
            case TemplateNamespace names:
                output.Append("<Namespace ");
                WriteEntries(output, names.Members.Select(member => ((object?)new TemplateString(member.Key), member.Value)), depth);
                output.Append('>');
                break;
            case Undefined:
                output.Append("Undefined");
                break;
            default:
                throw new TemplateFault($"{Python.TypeName(value)} cannot be printed");
        }
    }

    private static void WriteItems(TextBuilder output, string open, List<object?> items, string close, int depth)
    {
        output.Append(open);
        for (var i = 0; i < items.Count; i++)
        {
            output.Append(i == 0 ? "" : ", ");
            WriteRepr(output, items[i], depth + 1);
        }

        output.Append(close);
    }

    private static void WriteEntries(TextBuilder output, IEnumerable<(object? Key, object? Value)> entries, int depth)
    {
        var separator = "{";
        foreach (var (key, value) in entries)
        {
            output.Append(separator);
            WriteRepr(output, key, depth + 1);
            output.Append(": ");
            WriteRepr(output, value, depth + 1);
            separator = ", ";
        }

        output.Append(separator == "{" ? "{}" : "}");
    }

    private static string Quoted(string text)
    {
        var quote = text.Contains('\'', StringComparison.Ordinal) && !text.Contains('"', StringComparison.Ordinal) ? '"' : '\'';
        var result = new System.Text.StringBuilder().Append(quote);
        foreach (var c in text)
        {
            _ = c switch
            {
                '\n' => result.Append("\\n"),
                '\r' => result.Append("\\r"),
                '\t' => result.Append("\\t"),
                '\\' => result.Append("\\\\"),
                _ when c == quote => result.Append('\\').Append(c),
                < ' ' or (>= '\x7F' and < '\xA1') or '\xAD' => result.Append(CultureInfo.InvariantCulture, $"\\x{(int)c:x2}"),
                _ when !IsPrintable(c) => result.Append(CultureInfo.InvariantCulture, $"\\u{(int)c:x4}"),
                _ => result.Append(c),
            };
        }

        return result.Append(quote).ToString();
    }

    private static bool IsPrintable(char c) => c == ' ' || char.IsSurrogate(c) || char.GetUnicodeCategory(c) is not (
        UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.PrivateUse or UnicodeCategory.OtherNotAssigned
        or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator or UnicodeCategory.SpaceSeparator);
}
