namespace Loire.Text;

internal abstract class Expression(int line)
{
    public int Line => line;

    public abstract object? Evaluate(RenderContext context);
}

internal sealed class ConstantExpression(object? value, int line) : Expression(line)
{
    public override object? Evaluate(RenderContext context) => value;
}

internal sealed class NameExpression(string name, int line) : Expression(line)
{
    private readonly Undefined _undefined = new($"'{name}' is undefined");

    public override object? Evaluate(RenderContext context)
    {
        context.Spend();
        return context.Scope.TryGet(name, out var value) ? value : Functions.All.GetValueOrDefault(name) ?? (object)_undefined;
    }
}

/// <summary>What a block with filters has written.</summary>
internal sealed class HeldExpression(int line) : Expression(line)
{
    public override object? Evaluate(RenderContext context) => context.Held;
}

internal sealed class ListExpression(Expression[] items, bool isTuple, int line) : Expression(line)
{
    public override object? Evaluate(RenderContext context)
    {
        context.Spend(items.Length + 1);
        return new TemplateList([.. items.Select(item => item.Evaluate(context))], isTuple);
    }
}

internal sealed class DictExpression((Expression Key, Expression Value)[] entries, int line) : Expression(line)
{
    public override object? Evaluate(RenderContext context)
    {
        context.Spend(entries.Length + 1);
        var dict = new TemplateDict();
        foreach (var (key, value) in entries)
        {
            dict[key.Evaluate(context)] = value.Evaluate(context);
        }

        return dict;
    }
}

internal sealed class ConditionExpression(Expression condition, Expression value, Expression? otherwise, int line) : Expression(line)
{
    private readonly Undefined _undefined = new("the inline if was false and has no else");

    public override object? Evaluate(RenderContext context) =>
        Python.IsTrue(condition.Evaluate(context)) ? value.Evaluate(context)
        : otherwise is null ? _undefined
        : otherwise.Evaluate(context);
}

internal sealed class LogicExpression(Expression left, Expression right, bool isAnd, int line) : Expression(line)
{
    public override object? Evaluate(RenderContext context)
    {
        RenderContext.EnsureStack();
        var value = left.Evaluate(context);
        return Python.IsTrue(value) == isAnd ? right.Evaluate(context) : value;
    }
}

internal sealed class NotExpression(Expression operand, int line) : Expression(line)
{
    public override object? Evaluate(RenderContext context) => !Python.IsTrue(operand.Evaluate(context));
}

internal sealed class CompareExpression(Expression first, (string Operator, Expression Operand)[] rest, int line) : Expression(line)
{
    public override object? Evaluate(RenderContext context)
    {
        var left = first.Evaluate(context);
        foreach (var (comparison, operand) in rest)
        {
            var right = operand.Evaluate(context);
            context.Spend();
            context.At(Line, $"comparison '{comparison}'");
            if (!Operators.Compare(comparison, left, right))
            {
                return false;
            }

            left = right;
        }

        return true;
    }
}

internal sealed class ConcatExpression(Expression[] parts, int line) : Expression(line)
{
    public override object? Evaluate(RenderContext context)
    {
        var builder = new TextBuilder();
        foreach (var part in parts)
        {
            var text = PythonText.Str(part.Evaluate(context));
            context.SpendText(text.Text.Length, builder.Length);
            builder.Append(text);
        }

        return builder.Build();
    }
}

internal sealed class BinaryExpression(string operation, Expression left, Expression right, int line) : Expression(line)
{
    private readonly string _construct = $"operator '{operation}'";

    public override object? Evaluate(RenderContext context)
    {
        RenderContext.EnsureStack();
        var a = left.Evaluate(context);
        var b = right.Evaluate(context);
        context.At(Line, _construct);
        context.Spend();
        return Operators.Apply(operation, a, b, context);
    }
}

internal sealed class SignExpression(bool negative, Expression operand, int line) : Expression(line)
{
    public override object? Evaluate(RenderContext context)
    {
        var value = operand.Evaluate(context);
        context.At(Line, negative ? "operator '-'" : "operator '+'");
        return Operators.Sign(negative, value);
    }
}

internal sealed class MemberExpression(Expression owner, string name, int line) : Expression(line)
{
    private readonly string _construct = $"member '{name}'";
    private readonly TemplateString _key = new(name);

    public override object? Evaluate(RenderContext context)
    {
        RenderContext.EnsureStack();
        var value = owner.Evaluate(context);
        context.At(Line, _construct);
        context.Spend();
        return Members.TryFind(value, name, out var member) ? member : Members.Index(value, _key);
    }
}

internal sealed class IndexExpression(Expression owner, Expression index, int line) : Expression(line)
{
    public override object? Evaluate(RenderContext context)
    {
        RenderContext.EnsureStack();
        var value = owner.Evaluate(context);
        var key = index.Evaluate(context);
        context.At(Line, "subscript");
        context.Spend();
        var found = Members.Index(value, key);
        return found is Undefined && key is TemplateString name && Members.TryFind(value, name.Text, out var member) ? member : found;
    }
}

internal sealed class SliceExpression(Expression owner, Expression? start, Expression? stop, Expression? step, int line) : Expression(line)
{
    public override object? Evaluate(RenderContext context)
    {
        var value = owner.Evaluate(context);
        var (from, to, by) = (start?.Evaluate(context), stop?.Evaluate(context), step?.Evaluate(context));
        context.At(Line, "slice");
        return Slices.Cut(value, from, to, by, context);
    }
}

internal sealed class CallExpression(Expression callee, Expression[] positional, (string Name, Expression Value)[] named, int line) : Expression(line)
{
    private readonly string _construct = callee switch
    {
        NameExpression or MemberExpression => "call",
        _ => "call of an expression",
    };

    public override object? Evaluate(RenderContext context)
    {
        var target = callee.Evaluate(context);
        var arguments = CallArguments.Evaluate(positional, named, context);
        context.At(Line, _construct);
        context.Spend();
        if (target is Undefined undefined)
        {
            throw TemplateFault.Of(undefined);
        }

        if (target is not ITemplateCallable callable)
        {
            throw new TemplateFault($"{Python.TypeName(target)} cannot be called");
        }

        context.EnterCall();
        var result = callable.Call(context, arguments);
        context.LeaveCall();
        return result;
    }
}

internal sealed class FilterExpression(
    string name, TemplateFilter filter, Expression value, Expression[] positional, (string Name, Expression Value)[] named, int line) : Expression(line)
{
    private readonly string _construct = $"filter '{name}'";

    public override object? Evaluate(RenderContext context)
    {
        RenderContext.EnsureStack();
        var input = value.Evaluate(context);
        var arguments = CallArguments.Evaluate(positional, named, context);
        context.At(Line, _construct);
        context.Spend();
        return filter(context, input, arguments);
    }
}

internal sealed class TestExpression(string name, TemplateTest test, Expression value, Expression[] positional, int line) : Expression(line)
{
    private readonly string _construct = $"test '{name}'";

    public override object? Evaluate(RenderContext context)
    {
        RenderContext.EnsureStack();
        var input = value.Evaluate(context);
        var arguments = CallArguments.Evaluate(positional, [], context);
        context.At(Line, _construct);
        context.Spend();
        return test(input, arguments);
    }
}

internal static class CallArguments
{
    public static Arguments Evaluate(Expression[] positional, (string Name, Expression Value)[] named, RenderContext context) =>
        positional.Length + named.Length == 0
            ? Arguments.None
            : new Arguments(
                Array.ConvertAll(positional, item => item.Evaluate(context)),
                Array.ConvertAll(named, item => (item.Name, item.Value.Evaluate(context))));
}
