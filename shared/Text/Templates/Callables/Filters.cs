namespace Loire.Text;

internal delegate object? TemplateFilter(RenderContext context, object? value, Arguments arguments);

/// <summary>What may stand after <c>|</c>: filters of one value here, of lists in <see cref="ListFilters"/>.</summary>
internal static class Filters
{
    private const int MaxIndent = 1000;

    public static Dictionary<string, TemplateFilter> All { get; } = Build();

    private static Dictionary<string, TemplateFilter> Build()
    {
        var filters = new Dictionary<string, TemplateFilter>(StringComparer.Ordinal)
        {
            ["trim"] = Text((text, a) => StringMethods.Strip(text, a.Bind("chars"), left: true, right: true)),
            ["upper"] = Text((text, _) => text.WithText(text.Text.ToUpperInvariant())),
            ["lower"] = Text((text, _) => text.WithText(text.Text.ToLowerInvariant())),
            ["capitalize"] = Text((text, _) => text.WithText(TextCase.Capitalize(text.Text))),
            ["title"] = Text((text, _) => text.WithText(TextCase.TitleWords(text.Text))),
            ["string"] = Text((text, _) => text),
            ["safe"] = Text((text, _) => text),
            ["escape"] = Text((text, _) => Escape(text)),
            ["e"] = Text((text, _) => Escape(text)),
            ["replace"] = Replace,
            ["indent"] = Indent,
            ["format"] = (context, value, a) => TextFormat.Percent(PythonText.Str(value), a.Positional, context),
            ["tojson"] = ToJson,
            ["default"] = Default,
            ["d"] = Default,
            ["length"] = (_, value, _) => Length(value),
            ["count"] = (_, value, _) => Length(value),
            ["int"] = ToInteger,
            ["float"] = ToFloat,
            ["abs"] = (_, value, _) => value is double number ? Math.Abs(number) : Python.Narrow(System.Numerics.BigInteger.Abs(Integer(value))),
            ["round"] = (_, value, arguments) => value is long or System.Numerics.BigInteger && arguments.Named.Count == 0 && arguments.Positional.Count < 2 ? value : Round(value, arguments),
        };
        foreach (var (name, filter) in ListFilters.All)
        {
            filters[name] = filter;
        }

        return filters;
    }

    private static TemplateFilter Text(Func<TemplateString, Arguments, object?> body) => (context, value, arguments) =>
    {
        var text = PythonText.Str(value);
        context.SpendText(text.Text.Length);
        return body(text, arguments);
    };

    private static System.Numerics.BigInteger Integer(object? value)
    {
        Python.ThrowIfUndefined(value);
        return Python.ToBig(value);
    }

    private static TemplateString Escape(TemplateString text) => TemplateString.Derived(
        text.Text.Replace("&", "&amp;", StringComparison.Ordinal).Replace("<", "&lt;", StringComparison.Ordinal)
            .Replace(">", "&gt;", StringComparison.Ordinal).Replace("\"", "&#34;", StringComparison.Ordinal).Replace("'", "&#39;", StringComparison.Ordinal),
        text);

    private static TemplateString Replace(RenderContext context, object? value, Arguments arguments)
    {
        var bound = arguments.Bind("old", "new", "count");
        return TextPieces.Replace(PythonText.Str(value), PythonText.Str(bound.Required(0)), PythonText.Str(bound.Required(1)), bound.Int(2, -1), context);
    }

    private static TemplateString Indent(RenderContext context, object? value, Arguments arguments)
    {
        var bound = arguments.Bind("width", "first", "blank");
        var by = bound.Get(0) is TemplateString text ? text : new TemplateString(new string(' ', Math.Clamp(bound.Int(0, 4), 0, MaxIndent)));
        return TextPieces.Indent(PythonText.Str(value), by, bound.Flag(1), bound.Flag(2), context);
    }

    // transformers' filter: json.dumps(value, ensure_ascii, indent, separators, sort_keys), nothing escaped for HTML.
    private static TemplateString ToJson(RenderContext context, object? value, Arguments arguments)
    {
        var bound = arguments.Bind("ensure_ascii", "indent", "separators", "sort_keys");
        var indent = bound.Get(1) switch
        {
            null => null,
            TemplateString text => text.Text,
            var width => new string(' ', Math.Clamp(Python.ToInt(width), 0, MaxIndent)),
        };
        var (item, key) = (new TemplateString(indent is null ? ", " : ","), new TemplateString(": "));
        if (bound.Get(2) is { } separators)
        {
            (item, key) = Python.Iterate(separators) is [TemplateString first, TemplateString second] ? (first, second) : throw new TemplateFault("separators are two strings");
        }

        var json = PythonJson.Write(value, new PythonJson.Style(bound.Flag(0), indent, item, key, bound.Flag(3)));
        context.SpendText(json.Text.Length);
        return json;
    }

    private static object? Default(RenderContext context, object? value, Arguments arguments)
    {
        var bound = arguments.Bind("default_value", "boolean");
        return value is Undefined || (bound.Flag(1) && !Python.IsTrue(value)) ? bound.Get(0, TemplateString.Empty) : value;
    }

    private static long Length(object? value) => value switch
    {
        Undefined => 0,
        TemplateString text => CodePointsOf(text),
        TemplateList list => list.Items.Count,
        TemplateDict dict => dict.Count,
        _ => throw new TemplateFault($"{Python.TypeName(value)} has no length"),
    };

    private static long CodePointsOf(TemplateString text)
    {
        RenderContext.ChargeText(text.Text.Length);
        return text.CodePoints;
    }

    private static object? ToInteger(RenderContext context, object? value, Arguments arguments)
    {
        var bound = arguments.Bind("default", "base");
        Python.ThrowIfUndefined(value);
        var absent = bound.Get(0, 0L);
        switch (value)
        {
            case double number:
                return double.IsFinite(number) ? Python.Narrow(new System.Numerics.BigInteger(number)) : absent;
            case TemplateString text:
                return Numbers.TryInteger(text.Text, bound.Int(1, 10), out var parsed) ? Python.Narrow(parsed)
                    : Numbers.TryFloat(text.Text, out var real) && double.IsFinite(real) ? Python.Narrow(new System.Numerics.BigInteger(real))
                    : absent;
            default:
                return Python.IsNumber(value) ? Python.Narrow(Python.ToBig(value)) : absent;
        }
    }

    private static object? ToFloat(RenderContext context, object? value, Arguments arguments)
    {
        var absent = arguments.Bind("default").Get(0, 0.0);
        Python.ThrowIfUndefined(value);
        return value is TemplateString text ? Numbers.TryFloat(text.Text, out var number) ? number : absent
            : Python.IsNumber(value) ? Python.ToDouble(value)
            : absent;
    }

    private static double Round(object? value, Arguments arguments)
    {
        const int maxPrecision = 15;
        var bound = arguments.Bind("precision", "method");
        Python.ThrowIfUndefined(value);
        var number = Python.ToDouble(value);
        var precision = Math.Clamp(bound.Int(0, 0), 0, maxPrecision);
        var scale = Math.Pow(10, precision);
        return (bound.Has(1) ? bound.Text(1).Text : "common") switch
        {
            "common" => Math.Round(number, precision, MidpointRounding.ToEven),
            "ceil" => Math.Ceiling(number * scale) / scale,
            "floor" => Math.Floor(number * scale) / scale,
            var method => throw new TemplateFault($"rounding method '{method}' is not supported"),
        };
    }
}
