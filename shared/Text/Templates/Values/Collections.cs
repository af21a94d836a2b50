namespace Loire.Text;

/// <summary>A value that is not there. It prints as nothing, is false and empty; anything else done with it fails with its reason.</summary>
internal sealed class Undefined(string reason)
{
    public string Reason => reason;
}

/// <summary>A list, or a tuple, which differs in how it prints and compares.</summary>
internal sealed class TemplateList(List<object?> items, bool isTuple = false)
{
    public List<object?> Items => items;

    public bool IsTuple => isTuple;

    public static TemplateList Tuple(params object?[] items) => new([.. items], isTuple: true);
}

/// <summary>A dictionary in the order of insertion.</summary>
internal sealed class TemplateDict
{
    private readonly OrderedDictionary<object, object?> _items = new(KeyComparer.Instance);

    public int Count => _items.Count;

    public IEnumerable<object?> Keys => _items.Keys.Select(Unwrap);

    public IEnumerable<object?> Values => _items.Values;

    public IEnumerable<(object? Key, object? Value)> Entries => _items.Select(item => (Unwrap(item.Key), item.Value));

    public object? this[object? key]
    {
        set => _items[Wrap(key)] = value;
    }

    public bool TryGet(object? key, out object? value) => _items.TryGetValue(Wrap(key), out value);

    public bool TryGet(string key, out object? value) => _items.TryGetValue(new TemplateString(key), out value);

    public bool Contains(object? key) => _items.ContainsKey(Wrap(key));

    public void Set(string key, object? value) => _items[new TemplateString(key)] = value;

    private static object Wrap(object? key) => key switch
    {
        null => NoneKey.Instance,
        TemplateDict or TemplateList { IsTuple: false } => throw new TemplateFault($"{Python.TypeName(key)} as a key: it is unhashable"),
        _ => key,
    };

    private static object? Unwrap(object key) => ReferenceEquals(key, NoneKey.Instance) ? null : key;

    private sealed class NoneKey
    {
        public static readonly NoneKey Instance = new();
    }

    private sealed class KeyComparer : IEqualityComparer<object>
    {
        public static readonly KeyComparer Instance = new();

        public new bool Equals(object? x, object? y) => Python.AreEqual(x, y);

        public int GetHashCode(object value) => value switch
        {
            TemplateString text => text.Text.GetHashCode(StringComparison.Ordinal),
            bool or long or double or System.Numerics.BigInteger => Python.ToDouble(value).GetHashCode(),
            TemplateList tuple => tuple.Items.Count,
            _ => System.Runtime.CompilerServices.RuntimeHelpers.GetHashCode(value),
        };
    }
}

/// <summary>What <c>namespace()</c> makes: the one thing whose members a template may set.</summary>
internal sealed class TemplateNamespace
{
    public Dictionary<string, object?> Members { get; } = new(StringComparer.Ordinal);
}

/// <summary>Something that a template can call.</summary>
internal interface ITemplateCallable
{
    object? Call(RenderContext context, Arguments arguments);
}

internal sealed class TemplateFunction(string name, Func<RenderContext, Arguments, object?> body) : ITemplateCallable
{
    public string Name => name;

    public object? Call(RenderContext context, Arguments arguments) => body(context, arguments);
}

/// <summary>A method together with what it is called on.</summary>
internal sealed class BoundMethod(string name, object target, Func<RenderContext, object, Arguments, object?> body) : ITemplateCallable
{
    public string Name => name;

    public object? Call(RenderContext context, Arguments arguments) => body(context, target, arguments);
}

/// <summary>The arguments of one call, bound to names by whoever is called.</summary>
internal sealed class Arguments(IReadOnlyList<object?> positional, IReadOnlyList<(string Name, object? Value)> named)
{
    public static Arguments None { get; } = new([], []);

    public IReadOnlyList<object?> Positional => positional;

    public IReadOnlyList<(string Name, object? Value)> Named => named;

    public BoundArguments Bind(params string[] names)
    {
        if (positional.Count > names.Length)
        {
            throw new TemplateFault($"{positional.Count} arguments; at most {names.Length} are taken");
        }

        var values = new object?[names.Length];
        var given = new bool[names.Length];
        for (var i = 0; i < positional.Count; i++)
        {
            (values[i], given[i]) = (positional[i], true);
        }

        foreach (var (name, value) in named)
        {
            var at = Array.IndexOf(names, name);
            if (at < 0 || given[at])
            {
                throw new TemplateFault(at < 0 ? $"argument '{name}' is not supported" : $"argument '{name}' is given twice");
            }

            (values[at], given[at]) = (value, true);
        }

        return new BoundArguments(names, values, given);
    }
}

internal readonly struct BoundArguments(string[] names, object?[] values, bool[] given)
{
    public bool Has(int index) => given[index];

    public object? Required(int index) => given[index] ? values[index] : throw new TemplateFault($"argument '{names[index]}' is missing");

    public object? Get(int index, object? absent = null) => given[index] ? values[index] : absent;

    public bool Flag(int index, bool absent = false) => given[index] ? Python.IsTrue(values[index]) : absent;

    public int Int(int index, int absent) => given[index] && values[index] is not null ? Python.ToInt(values[index]) : absent;

    public TemplateString Text(int index) => Required(index) as TemplateString
        ?? throw new TemplateFault($"argument '{names[index]}' is {Python.TypeName(values[index])}, not a string");
}

/// <summary>Something that a template may not do; the renderer adds where.</summary>
internal sealed class TemplateFault(string reason, bool raisedByTemplate = false) : Exception(reason)
{
    public bool RaisedByTemplate => raisedByTemplate;

    public static TemplateFault Of(Undefined value) => new(value.Reason);
}
