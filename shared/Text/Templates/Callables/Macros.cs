namespace Loire.Text;

/// <summary>A macro as it is written: <see cref="Defaults"/> has one entry a parameter, null where it has none.</summary>
internal sealed record MacroShape(string[] Parameters, Expression?[] Defaults, Block Body, bool TakesMore, bool TakesMoreNamed);

/// <summary>A macro and the scope that it was defined in, which it sees as it is when called.</summary>
internal sealed class MacroValue(string name, MacroShape shape, Scope definedIn) : ITemplateCallable
{
    public string Name => name;

    public object? Call(RenderContext context, Arguments arguments)
    {
        var outer = context.Scope;
        context.Scope = new Scope(definedIn);
        try
        {
            Bind(context, arguments);
            return context.Capture(shape.Body, out _);
        }
        finally
        {
            context.Scope = outer;
        }
    }

    private void Bind(RenderContext context, Arguments arguments)
    {
        var more = arguments.Positional.Skip(shape.Parameters.Length).ToList();
        if (more.Count > 0 && !shape.TakesMore)
        {
            throw new TemplateFault($"macro '{name}' takes at most {shape.Parameters.Length} arguments");
        }

        var named = arguments.Named.ToDictionary(argument => argument.Name, argument => argument.Value, StringComparer.Ordinal);
        for (var i = 0; i < shape.Parameters.Length; i++)
        {
            var parameter = shape.Parameters[i];
            var given = named.Remove(parameter, out var value);
            if (i < arguments.Positional.Count)
            {
                value = given ? throw new TemplateFault($"macro '{name}' got '{parameter}' twice") : arguments.Positional[i];
            }
            else if (!given)
            {
                value = shape.Defaults[i]?.Evaluate(context) ?? (shape.Defaults[i] is null ? new Undefined($"parameter '{parameter}' was not provided") : null);
            }

            context.Scope.Set(parameter, value);
        }

        if (named.Count > 0 && !shape.TakesMoreNamed)
        {
            throw new TemplateFault($"macro '{name}' takes no argument '{named.Keys.First()}'");
        }

        context.Scope.Set("varargs", new TemplateList(more, isTuple: true));
        var rest = new TemplateDict();
        foreach (var (key, value) in named)
        {
            rest.Set(key, value);
        }

        context.Scope.Set("kwargs", rest);
    }
}

/// <summary>The <c>loop</c> variable.</summary>
internal sealed class LoopState(IReadOnlyList<object?> items)
{
    private object? _changed = new Undefined("nothing has changed yet");

    public int Index { get; set; }

    public object? Member(string name) => name switch
    {
        "index" => (long)Index + 1,
        "index0" => (long)Index,
        "revindex" => (long)items.Count - Index,
        "revindex0" => (long)items.Count - Index - 1,
        "first" => Index == 0,
        "last" => Index == items.Count - 1,
        "length" => (long)items.Count,
        "previtem" => Index > 0 ? items[Index - 1] : new Undefined("there is no previous item"),
        "nextitem" => Index + 1 < items.Count ? items[Index + 1] : new Undefined("there is no next item"),
        "cycle" => new TemplateFunction("cycle", (_, arguments) => arguments.Positional.Count > 0
            ? arguments.Positional[Index % arguments.Positional.Count]
            : throw new TemplateFault("loop.cycle needs something to cycle through")),
        "changed" => new TemplateFunction("changed", (_, arguments) => Changed(arguments)),
        _ => new Undefined($"'loop' has no member '{name}'"),
    };

    private bool Changed(Arguments arguments)
    {
        var now = TemplateList.Tuple([.. arguments.Positional]);
        var changed = !Python.AreEqual(now, _changed);
        _changed = now;
        return changed;
    }
}
