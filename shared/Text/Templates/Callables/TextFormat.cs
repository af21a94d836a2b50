using System.Globalization;

namespace Loire.Text;

/// <summary>The common part of <c>'%s' % value</c> and <c>'{}'.format(value)</c>.</summary>
internal static class TextFormat
{
    private const int MaxPrecision = 30;

    /// <summary>%s, %r, %d, %i, %f (with a precision) and %%.</summary>
    public static TemplateString Percent(TemplateString format, IReadOnlyList<object?> values, RenderContext context)
    {
        var result = new TextBuilder();
        var text = format.Text;
        context.Spend(text.Length);
        var used = 0;
        for (var i = 0; i < text.Length; i++)
        {
            if (text[i] != '%')
            {
                result.Append(format.Slice(i, 1));
                continue;
            }

            var end = i + 1;
            while (end < text.Length && (char.IsAsciiDigit(text[end]) || text[end] == '.'))
            {
                end++;
            }

            var code = end < text.Length ? text[end] : '\0';
            if (code == '%')
            {
                result.Append('%');
            }
            else
            {
                var value = used < values.Count ? values[used++] : throw new TemplateFault("too few values for the format");
                var piece = Format(value, text[(i + 1)..end], code);
                context.SpendText(piece.Text.Length, result.Length);
                result.Append(piece);
            }

            i = end;
        }

        return used == values.Count ? result.Build() : throw new TemplateFault("too many values for the format");
    }

    /// <summary>{}, {0} and {name}, without format specifications.</summary>
    public static TemplateString Braces(TemplateString format, Arguments arguments, RenderContext context)
    {
        var result = new TextBuilder();
        var text = format.Text;
        context.Spend(text.Length);
        var next = 0;
        for (var i = 0; i < text.Length; i++)
        {
            if (text[i] is '{' or '}' && i + 1 < text.Length && text[i + 1] == text[i])
            {
                result.Append(text[i++]);
                continue;
            }

            if (text[i] != '{')
            {
                result.Append(format.Slice(i, 1));
                continue;
            }

            var close = text.IndexOf('}', i);
            var field = close < 0 ? throw new TemplateFault("'{' without '}'") : text[(i + 1)..close];
            var piece = PythonText.Str(Argument(field, arguments, ref next));
            context.SpendText(piece.Text.Length, result.Length);
            result.Append(piece);
            i = close;
        }

        return result.Build();
    }

    private static object? Argument(string field, Arguments arguments, ref int next)
    {
        if (field.Length == 0 || field.All(char.IsAsciiDigit))
        {
            var at = field.Length == 0 ? next++ : int.TryParse(field, out var number) ? number : int.MaxValue;
            return at < arguments.Positional.Count ? arguments.Positional[at] : throw new TemplateFault("too few values for the format");
        }

        foreach (var (name, value) in arguments.Named)
        {
            if (name == field)
            {
                return value;
            }
        }

        throw new TemplateFault($"format field '{field}' is not supported or not given");
    }

    private static TemplateString Format(object? value, string flags, char code)
    {
        Python.ThrowIfUndefined(value);
        switch (code)
        {
            case 's' when flags.Length == 0:
                return PythonText.Str(value);
            case 'r' when flags.Length == 0:
                var repr = PythonText.Str(new TemplateList([value]));
                return repr.Slice(1, repr.Text.Length - 2);
            case 'd' or 'i' when flags.Length == 0:
                return PythonText.Str(value is double number && double.IsFinite(number) ? Python.Narrow(new System.Numerics.BigInteger(number)) : Python.Narrow(Python.ToBig(value)));
            case 'f' when flags.Length == 0 || (flags[0] == '.' && int.TryParse(flags[1..], out var given) && given <= MaxPrecision):
                var precision = flags.Length == 0 ? 6 : int.Parse(flags[1..], CultureInfo.InvariantCulture);
                return new TemplateString(Python.ToDouble(value).ToString($"F{precision}", CultureInfo.InvariantCulture));
            default:
                throw new TemplateFault($"format '%{flags}{code}' is not supported");
        }
    }
}
