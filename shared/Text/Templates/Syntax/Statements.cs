namespace Loire.Text;

/// <summary>How a statement ended.</summary>
internal enum Flow
{
    Next,
    Break,
    Continue,
}

internal abstract class Statement
{
    public abstract Flow Run(RenderContext context);
}

internal sealed class Block(Statement[] statements) : Statement
{
    public override Flow Run(RenderContext context)
    {
        RenderContext.EnsureStack();
        foreach (var statement in statements)
        {
            context.Spend();
            var flow = statement.Run(context);
            if (flow != Flow.Next)
            {
                return flow;
            }
        }

        return Flow.Next;
    }
}

internal sealed class DataStatement(string text) : Statement
{
    private readonly TemplateString _text = new(text);

    public override Flow Run(RenderContext context)
    {
        context.Write(_text);
        return Flow.Next;
    }
}

internal sealed class OutputStatement(Expression value, int line) : Statement
{
    public override Flow Run(RenderContext context)
    {
        var result = value.Evaluate(context);
        context.At(line, "output");
        context.Write(PythonText.Str(result));
        return Flow.Next;
    }
}

internal sealed class BreakStatement(Flow flow) : Statement
{
    public override Flow Run(RenderContext context) => flow;
}

internal sealed class IfStatement((Expression Condition, Block Body)[] branches, Block? otherwise, int line) : Statement
{
    public override Flow Run(RenderContext context)
    {
        foreach (var (condition, body) in branches)
        {
            context.At(line, "if");
            if (Python.IsTrue(condition.Evaluate(context)))
            {
                return body.Run(context);
            }
        }

        return otherwise?.Run(context) ?? Flow.Next;
    }
}

internal sealed class SetStatement(AssignmentTarget target, Expression value, int line) : Statement
{
    public override Flow Run(RenderContext context)
    {
        var result = value.Evaluate(context);
        context.At(line, "set");
        target.Assign(context, result);
        return Flow.Next;
    }
}

/// <summary><c>{% set x | filters %}body{% endset %}</c>: the body's output, through the filters.</summary>
internal sealed class SetBlockStatement(AssignmentTarget target, Expression filtered, Block body, int line) : Statement
{
    public override Flow Run(RenderContext context)
    {
        var outer = context.Scope;
        context.Scope = new Scope(outer);
        Flow flow;
        object? value;
        try
        {
            context.Held = context.Capture(body, out flow);
            value = filtered.Evaluate(context);
        }
        finally
        {
            context.Scope = outer;
        }

        context.At(line, "set");
        target.Assign(context, value);
        return flow;
    }
}

internal sealed class FilterStatement(Expression filtered, Block body, int line) : Statement
{
    public override Flow Run(RenderContext context)
    {
        context.Held = context.Capture(body, out var flow);
        var value = filtered.Evaluate(context);
        context.At(line, "filter");
        context.Write(PythonText.Str(value));
        return flow;
    }
}

internal sealed class WithStatement((AssignmentTarget Target, Expression Value)[] bindings, Block body, int line) : Statement
{
    public override Flow Run(RenderContext context)
    {
        var outer = context.Scope;
        var values = Array.ConvertAll(bindings, binding => binding.Value.Evaluate(context));
        context.Scope = new Scope(outer);
        try
        {
            context.At(line, "with");
            for (var i = 0; i < bindings.Length; i++)
            {
                bindings[i].Target.Assign(context, values[i]);
            }

            return body.Run(context);
        }
        finally
        {
            context.Scope = outer;
        }
    }
}

internal sealed class ForStatement(AssignmentTarget target, Expression items, Expression? filter, Block body, Block? otherwise, int line) : Statement
{
    public override Flow Run(RenderContext context)
    {
        var source = items.Evaluate(context);
        context.At(line, "for");
        var visited = Python.Iterate(source);
        context.Spend(visited.Count);
        var outer = context.Scope;
        try
        {
            var chosen = filter is null ? visited : Choose(visited, filter, context, outer);
            if (chosen.Count == 0)
            {
                return otherwise?.Run(context) ?? Flow.Next;
            }

            return Loop(chosen, context, outer);
        }
        finally
        {
            context.Scope = outer;
        }
    }

    private List<object?> Choose(IReadOnlyList<object?> visited, Expression condition, RenderContext context, Scope outer)
    {
        var chosen = new List<object?>();
        for (var i = 0; i < visited.Count; i++)
        {
            context.Scope = new Scope(outer);
            context.At(line, "for");
            target.Assign(context, visited[i]);
            if (Python.IsTrue(condition.Evaluate(context)))
            {
                chosen.Add(visited[i]);
            }
        }

        context.Scope = outer;
        return chosen;
    }

    private Flow Loop(IReadOnlyList<object?> chosen, RenderContext context, Scope outer)
    {
        var loop = new LoopState(chosen);
        for (; loop.Index < chosen.Count; loop.Index++) // the list may grow under the loop, as in Python
        {
            context.Spend();
            context.Scope = new Scope(outer);
            context.Scope.Set("loop", loop);
            context.At(line, "for");
            target.Assign(context, chosen[loop.Index]);
            if (body.Run(context) == Flow.Break)
            {
                break;
            }
        }

        return Flow.Next;
    }
}

internal sealed class MacroStatement(string name, MacroShape shape, int line) : Statement
{
    public override Flow Run(RenderContext context)
    {
        context.At(line, "macro");
        context.Scope.Set(name, new MacroValue(name, shape, context.Scope));
        return Flow.Next;
    }
}

internal abstract class AssignmentTarget
{
    public abstract void Assign(RenderContext context, object? value);
}

internal sealed class NameTarget(string name) : AssignmentTarget
{
    public override void Assign(RenderContext context, object? value) => context.Scope.Set(name, value);
}

internal sealed class MemberTarget(string name, string member) : AssignmentTarget
{
    public override void Assign(RenderContext context, object? value)
    {
        if (!context.Scope.TryGet(name, out var owner) || owner is not TemplateNamespace names)
        {
            throw new TemplateFault($"'{name}.{member}' cannot be set: only members of a namespace can");
        }

        names.Members[member] = value;
    }
}

internal sealed class TupleTarget(AssignmentTarget[] parts) : AssignmentTarget
{
    public override void Assign(RenderContext context, object? value)
    {
        var values = Python.Iterate(value);
        if (values.Count != parts.Length)
        {
            throw new TemplateFault($"{values.Count} values for {parts.Length} names");
        }

        for (var i = 0; i < parts.Length; i++)
        {
            parts[i].Assign(context, values[i]);
        }
    }
}
