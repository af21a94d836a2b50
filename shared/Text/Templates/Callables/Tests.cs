using System.Numerics;

namespace Loire.Text;

internal delegate bool TemplateTest(object? value, Arguments arguments);

/// <summary>What may stand after <c>is</c>.</summary>
internal static class Tests
{
    public static Dictionary<string, TemplateTest> All { get; } = Build();

    private static Dictionary<string, TemplateTest> Build()
    {
        var tests = new Dictionary<string, TemplateTest>(StringComparer.Ordinal)
        {
            ["defined"] = (value, _) => value is not Undefined,
            ["undefined"] = (value, _) => value is Undefined,
            ["none"] = (value, _) => value is null,
            ["boolean"] = (value, _) => value is bool,
            ["true"] = (value, _) => value is true,
            ["false"] = (value, _) => value is false,
            ["integer"] = (value, _) => value is long or BigInteger,
            ["float"] = (value, _) => value is double,
            ["number"] = (value, _) => Python.IsNumber(value),
            ["string"] = (value, _) => value is TemplateString,
            ["mapping"] = (value, _) => value is TemplateDict,
            ["sequence"] = (value, _) => value is TemplateString or TemplateList or TemplateDict or Undefined,
            ["iterable"] = (value, _) => value is TemplateString or TemplateList or TemplateDict or Undefined,
            ["callable"] = (value, _) => value is ITemplateCallable,
            ["odd"] = (value, _) => !Python.ToBig(value).IsEven,
            ["even"] = (value, _) => Python.ToBig(value).IsEven,
            ["divisibleby"] = (value, arguments) => Python.ToDouble(Operators.Arithmetic("%", Python.Number(value), Python.Number(arguments.Bind("num").Required(0)))) == 0,
            ["lower"] = (value, _) => Charged(value) is var text && text.Any(char.IsLower) && !text.Any(char.IsUpper),
            ["upper"] = (value, _) => Charged(value) is var text && text.Any(char.IsUpper) && !text.Any(char.IsLower),
            ["sameas"] = (value, arguments) => arguments.Bind("other").Required(0) is var other
                && (value is null or bool or long ? Equals(value, other) : ReferenceEquals(value, other)),
            ["filter"] = (value, _) => value is TemplateString name && Filters.All.ContainsKey(name.Text),
            ["test"] = (value, _) => value is TemplateString name && All.ContainsKey(name.Text),
        };
        string[][] comparisons = [["==", "eq", "equalto"], ["!=", "ne"], ["<", "lt", "lessthan"], ["<=", "le"], [">", "gt", "greaterthan"], [">=", "ge"], ["in"]];
        foreach (var names in comparisons)
        {
            foreach (var name in names)
            {
                tests[name] = (value, arguments) => Operators.Compare(names[0], value, arguments.Bind("other").Required(0));
            }
        }

        return tests;
    }

    private static string Charged(object? value)
    {
        var text = PythonText.Str(value).Text;
        RenderContext.ChargeText(text.Length);
        return text;
    }
}
