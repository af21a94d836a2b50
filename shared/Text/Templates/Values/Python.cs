using System.Numerics;

namespace Loire.Text;

/// <summary>What Python means by truth, equality, order and arithmetic, as far as templates can tell.</summary>
/// <remarks>
/// Values are null (None), <see cref="Undefined"/>, bool, long, double, <see cref="BigInteger"/>, <see cref="TemplateString"/>,
/// <see cref="TemplateList"/>, <see cref="TemplateDict"/>, <see cref="TemplateNamespace"/> and callables.
/// </remarks>
internal static class Python
{
    private const int MaxDepth = 64;

    public static bool IsTrue(object? value) => value switch
    {
        null or Undefined => false,
        bool flag => flag,
        long number => number != 0,
        double number => number != 0,
        BigInteger number => !number.IsZero,
        TemplateString text => text.Text.Length > 0,
        TemplateList list => list.Items.Count > 0,
        TemplateDict dict => dict.Count > 0,
        _ => true,
    };

    public static string TypeName(object? value) => value switch
    {
        null => "None",
        Undefined => "undefined",
        bool => "a bool",
        long or BigInteger => "an int",
        double => "a float",
        TemplateString => "a string",
        TemplateList { IsTuple: true } => "a tuple",
        TemplateList => "a list",
        TemplateDict => "a dict",
        TemplateNamespace => "a namespace",
        ITemplateCallable => "a function",
        _ => "an object",
    };

    public static bool IsNumber(object? value) => value is bool or long or double or BigInteger;

    /// <summary>The value itself, when it is a number.</summary>
    public static object Number(object? value) => value is not null && IsNumber(value) ? value : throw new TemplateFault($"{TypeName(value)} is not a number");

    public static double ToDouble(object? value) => value switch
    {
        bool flag => flag ? 1 : 0,
        long number => number,
        double number => number,
        BigInteger number => (double)number,
        _ => throw new TemplateFault($"{TypeName(value)} is not a number"),
    };

    public static int ToInt(object? value) => value switch
    {
        Undefined undefined => throw TemplateFault.Of(undefined),
        bool flag => flag ? 1 : 0,
        long number when number is >= int.MinValue and <= int.MaxValue => (int)number,
        _ => throw new TemplateFault($"{TypeName(value)} where an integer of ordinary size belongs"),
    };

    public static bool AreEqual(object? a, object? b, int depth = 0)
    {
        if (depth > MaxDepth)
        {
            throw new TemplateFault($"comparing values nested deeper than {MaxDepth}");
        }

        RenderContext.Charge(depth == 0 ? 0 : 1);
        return (a, b) switch
        {
            (TemplateString x, TemplateString y) => SameText(x.Text, y.Text),
            (long x, long y) => x == y,
            (null, null) => true,
            (Undefined, Undefined) => true,
            (BigInteger or long or bool, BigInteger or long or bool) => ToBig(a) == ToBig(b),
            (TemplateList x, TemplateList y) => x.IsTuple == y.IsTuple && ListsEqual(x.Items, y.Items, depth + 1),
            (TemplateDict x, TemplateDict y) => x.Count == y.Count && x.Entries.All(entry => y.TryGet(entry.Key, out var other) && AreEqual(entry.Value, other, depth + 1)),
            _ => IsNumber(a) && IsNumber(b) ? ToDouble(a) == ToDouble(b) : ReferenceEquals(a, b),
        };
    }

    private static bool SameText(string a, string b)
    {
        if (a.Length != b.Length)
        {
            return false;
        }

        RenderContext.ChargeText(a.Length);
        return a == b;
    }

    /// <exception cref="TemplateFault">Python has no order between the two.</exception>
    public static int Compare(object? a, object? b, int depth = 0)
    {
        ThrowIfUndefined(a, b);
        switch (a, b)
        {
            case (TemplateString x, TemplateString y):
                RenderContext.ChargeText(Math.Min(x.Text.Length, y.Text.Length));
                return CompareCodePoints(x.Text, y.Text);
            case (TemplateList x, TemplateList y) when x.IsTuple == y.IsTuple && depth < MaxDepth:
                for (var i = 0; i < Math.Min(x.Items.Count, y.Items.Count); i++)
                {
                    if (!AreEqual(x.Items[i], y.Items[i], depth + 1))
                    {
                        return Compare(x.Items[i], y.Items[i], depth + 1);
                    }
                }

                return x.Items.Count.CompareTo(y.Items.Count);
            case (BigInteger or long or bool, BigInteger or long or bool):
                return ToBig(a).CompareTo(ToBig(b));
            default:
                return IsNumber(a) && IsNumber(b)
                    ? ToDouble(a).CompareTo(ToDouble(b))
                    : throw new TemplateFault($"there is no order between {TypeName(a)} and {TypeName(b)}");
        }
    }

    /// <summary>A stable sort by keys that have an order among them.</summary>
    public static List<T> Sort<T>(IEnumerable<T> items, Func<T, object?> key, bool descending)
    {
        var comparer = Comparer<object?>.Create((a, b) =>
        {
            RenderContext.Charge();
            return Compare(a, b);
        });
        try
        {
            return [.. descending ? items.OrderByDescending(key, comparer) : items.OrderBy(key, comparer)];
        }
        catch (InvalidOperationException error) when (error.InnerException is TemplateFault fault)
        {
            throw new TemplateFault(fault.Message); // sorting wraps what its comparer throws
        }
    }

    public static bool Contains(object? container, object? item)
    {
        switch (container)
        {
            case TemplateString searched:
                RenderContext.ChargeText(searched.Text.Length);
                break;
            case TemplateList searched:
                RenderContext.Charge(searched.Items.Count);
                break;
        }

        return container switch
        {
            Undefined => false,
            TemplateString text => item is TemplateString part
                ? text.Text.Contains(part.Text, StringComparison.Ordinal)
                : throw new TemplateFault($"'in' a string needs a string, not {TypeName(item)}"),
            TemplateList list => list.Items.Exists(other => AreEqual(item, other)),
            TemplateDict dict => dict.Contains(item),
            _ => throw new TemplateFault($"'in' needs a string, list or dict, not {TypeName(container)}"),
        };
    }

    /// <summary>What a loop over the value visits.</summary>
    public static IReadOnlyList<object?> Iterate(object? value) => value switch
    {
        Undefined => [],
        TemplateList list => list.Items,
        TemplateDict dict => [.. dict.Keys],
        TemplateString text => Characters(text),
        _ => throw new TemplateFault($"{TypeName(value)} cannot be iterated"),
    };

    public static void ThrowIfUndefined(params ReadOnlySpan<object?> values)
    {
        foreach (var value in values)
        {
            if (value is Undefined undefined)
            {
                throw TemplateFault.Of(undefined);
            }
        }
    }

    public static BigInteger ToBig(object? value) => value switch
    {
        bool flag => flag ? BigInteger.One : BigInteger.Zero,
        long number => number,
        BigInteger number => number,
        _ => throw new TemplateFault($"{TypeName(value)} is not an integer"),
    };

    /// <summary>An integer in the smallest form that holds it.</summary>
    public static object Narrow(BigInteger value)
    {
        const int maxBits = 4096;
        return value >= long.MinValue && value <= long.MaxValue ? (object)(long)value // boxed as it is: the branches' common type would be BigInteger
            : value.GetBitLength() <= maxBits ? value
            : throw new TemplateFault($"an integer of more than {maxBits} bits");
    }

    private static bool ListsEqual(List<object?> a, List<object?> b, int depth)
    {
        if (a.Count != b.Count)
        {
            return false;
        }

        for (var i = 0; i < a.Count; i++)
        {
            if (!AreEqual(a[i], b[i], depth))
            {
                return false;
            }
        }

        return true;
    }

    // By code points: surrogates sort above the private use area, units would not.
    private static int CompareCodePoints(string a, string b)
    {
        var length = Math.Min(a.Length, b.Length);
        for (var i = 0; i < length; i++)
        {
            if (a[i] != b[i])
            {
                return char.IsSurrogate(a[i]) == char.IsSurrogate(b[i]) ? a[i].CompareTo(b[i]) : char.IsSurrogate(a[i]) ? 1 : -1;
            }
        }

        return a.Length.CompareTo(b.Length);
    }

    private static List<object?> Characters(TemplateString text)
    {
        const int stepsPerCharacter = 8; // each becomes an object
        RenderContext.Charge((long)stepsPerCharacter * text.Text.Length);
        var starts = text.Boundaries();
        var characters = new List<object?>(starts.Length);
        for (var i = 0; i + 1 < starts.Length; i++)
        {
            characters.Add(text.Slice(starts[i], starts[i + 1] - starts[i]));
        }

        return characters;
    }
}
