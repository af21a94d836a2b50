using System.Numerics;

namespace Loire.Text;

/// <summary>Arithmetic and comparison by symbol.</summary>
internal static class Operators
{
    public static bool Compare(string comparison, object? left, object? right) => comparison switch
    {
        "==" => Python.AreEqual(left, right),
        "!=" => !Python.AreEqual(left, right),
        "in" => Python.Contains(right, left),
        "not in" => !Python.Contains(right, left),
        "<" => Python.Compare(left, right) < 0,
        "<=" => Python.Compare(left, right) <= 0,
        ">" => Python.Compare(left, right) > 0,
        _ => Python.Compare(left, right) >= 0,
    };

    public static object Sign(bool negative, object? value)
    {
        Python.ThrowIfUndefined(value);
        return value switch
        {
            double number => negative ? -number : number,
            _ when Python.IsNumber(value) => Python.Narrow(negative ? -Python.ToBig(value) : Python.ToBig(value)),
            _ => throw new TemplateFault($"{Python.TypeName(value)} has no sign"),
        };
    }

    public static object? Apply(string operation, object? left, object? right, RenderContext context)
    {
        Python.ThrowIfUndefined(left, right);
        switch (operation, left, right)
        {
            case ("+", TemplateString a, TemplateString b):
                context.SpendText((long)a.Text.Length + b.Text.Length);
                return new TextBuilder().Append(a).Append(b).Build();
            case ("+", TemplateList a, TemplateList b) when a.IsTuple == b.IsTuple:
                context.Spend(a.Items.Count + b.Items.Count);
                return new TemplateList([.. a.Items, .. b.Items], a.IsTuple);
            case ("*", TemplateString text, long or bool):
                return Repeat(text, Python.ToInt(right), context);
            case ("*", long or bool, TemplateString text):
                return Repeat(text, Python.ToInt(left), context);
            case ("*", TemplateList list, long or bool):
                return Repeat(list, Python.ToInt(right), context);
            case ("*", long or bool, TemplateList list):
                return Repeat(list, Python.ToInt(left), context);
            case ("%", TemplateString format, _):
                return TextFormat.Percent(format, right is TemplateList { IsTuple: true } tuple ? tuple.Items : [right], context);
        }

        return Python.IsNumber(left) && Python.IsNumber(right)
            ? Arithmetic(operation, left!, right!)
            : throw new TemplateFault($"it does not take {Python.TypeName(left)} and {Python.TypeName(right)}");
    }

    public static object Arithmetic(string operation, object left, object right) =>
        left is double || right is double || operation == "/"
            ? (object)Floats(operation, Python.ToDouble(left), Python.ToDouble(right))
            : Integers(operation, Python.ToBig(left), Python.ToBig(right));

    private static double Floats(string operation, double a, double b)
    {
        if (b == 0 && operation is "/" or "//" or "%")
        {
            throw new TemplateFault("division by zero");
        }

        return operation switch
        {
            "+" => a + b,
            "-" => a - b,
            "*" => a * b,
            "/" => a / b,
            "//" => Math.Floor(a / b),
            "%" => a - (b * Math.Floor(a / b)),
            _ => Math.Pow(a, b),
        };
    }

    private static object Integers(string operation, BigInteger a, BigInteger b)
    {
        const int maxPower = 1024;
        switch (operation)
        {
            case "+":
                return Python.Narrow(a + b);
            case "-":
                return Python.Narrow(a - b);
            case "*":
                return Python.Narrow(a * b);
            case "**" when b < 0:
                return Math.Pow((double)a, (double)b);
            case "**":
                return b <= maxPower ? Python.Narrow(BigInteger.Pow(a, (int)b)) : throw new TemplateFault($"a power over {maxPower}");
        }

        if (b.IsZero)
        {
            throw new TemplateFault("division by zero");
        }

        // Python rounds down, .NET towards zero.
        var quotient = BigInteger.DivRem(a, b, out var remainder);
        var down = !remainder.IsZero && remainder.Sign != b.Sign;
        return Python.Narrow(operation == "//" ? quotient - (down ? 1 : 0) : remainder + (down ? b : 0));
    }

    private static TemplateString Repeat(TemplateString text, int count, RenderContext context)
    {
        context.SpendText((long)text.Text.Length * Math.Max(count, 0));
        var builder = new TextBuilder();
        for (var i = 0; i < count && text.Text.Length > 0; i++)
        {
            builder.Append(text);
        }

        return builder.Build();
    }

    private static TemplateList Repeat(TemplateList list, int count, RenderContext context)
    {
        context.Spend((long)list.Items.Count * Math.Max(count, 0));
        var items = new List<object?>();
        for (var i = 0; i < count && list.Items.Count > 0; i++)
        {
            items.AddRange(list.Items);
        }

        return new TemplateList(items, list.IsTuple);
    }
}
