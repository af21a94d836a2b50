namespace Loire.Text;

/// <summary>Functions that every template sees.</summary>
internal static class Functions
{
    private const int MaxRange = 100_000;

    public static Dictionary<string, object> All { get; } = new TemplateFunction[]
    {
        new("range", Range),
        new("namespace", Namespace),
        new("dict", (_, arguments) => Dict(arguments)),
        new("raise_exception", (_, arguments) => throw new TemplateFault(PythonText.Str(arguments.Bind("message").Required(0)).Text, raisedByTemplate: true)),
        new("strftime_now", (context, arguments) => new TemplateString(
            TimeFormat.Write(context.Time.GetLocalNow(), arguments.Bind("format").Text(0).Text))),
    }.ToDictionary(function => function.Name, function => (object)function, StringComparer.Ordinal);

    private static TemplateList Range(RenderContext context, Arguments arguments)
    {
        var numbers = arguments.Positional.Select(Python.ToInt).ToArray();
        var (start, stop, step) = numbers switch
        {
            [var only] => (0, only, 1),
            [var first, var end] => (first, end, 1),
            [var first, var end, var by] when by != 0 => (first, end, by),
            _ => throw new TemplateFault("range takes one to three integers, the third not zero"),
        };
        var count = Math.Max(0, ((long)stop - start + step - Math.Sign(step)) / step);
        if (count > MaxRange)
        {
            throw new TemplateFault($"a range of {count}; at most {MaxRange} are allowed");
        }

        context.Spend(count);
        var items = new List<object?>((int)count);
        for (var i = 0L; i < count; i++)
        {
            items.Add(start + (i * step));
        }

        return new TemplateList(items);
    }

    private static TemplateNamespace Namespace(RenderContext context, Arguments arguments)
    {
        var made = new TemplateNamespace();
        foreach (var (key, value) in Dict(arguments).Entries)
        {
            made.Members[PythonText.Str(key).Text] = value;
        }

        return made;
    }

    private static TemplateDict Dict(Arguments arguments)
    {
        var dict = new TemplateDict();
        foreach (var source in arguments.Positional)
        {
            switch (source)
            {
                case TemplateDict other:
                    foreach (var (key, value) in other.Entries)
                    {
                        dict[key] = value;
                    }

                    break;
                default:
                    foreach (var pair in Python.Iterate(source))
                    {
                        dict[Python.Iterate(pair) is [var key, var value] ? key : throw new TemplateFault("dict needs pairs")] = value;
                    }

                    break;
            }
        }

        foreach (var (name, value) in arguments.Named)
        {
            dict.Set(name, value);
        }

        return dict;
    }
}
