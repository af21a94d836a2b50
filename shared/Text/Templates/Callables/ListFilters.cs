namespace Loire.Text;

/// <summary>Filters of lists, strings and dictionaries taken as what they hold.</summary>
internal static class ListFilters
{
    public static Dictionary<string, TemplateFilter> All { get; } = new(StringComparer.Ordinal)
    {
        ["list"] = (context, value, _) => new TemplateList([.. Items(context, value)]),
        ["first"] = (context, value, _) => Items(context, value) is [var first, ..] ? first : new Undefined("the list is empty and has no first"),
        ["last"] = (context, value, _) => Items(context, value) is [.., var last] ? last : new Undefined("the list is empty and has no last"),
        ["reverse"] = Reverse,
        ["join"] = Join,
        ["map"] = Map,
        ["select"] = (context, value, arguments) => Choose(context, value, arguments, byMember: false, wanted: true),
        ["reject"] = (context, value, arguments) => Choose(context, value, arguments, byMember: false, wanted: false),
        ["selectattr"] = (context, value, arguments) => Choose(context, value, arguments, byMember: true, wanted: true),
        ["rejectattr"] = (context, value, arguments) => Choose(context, value, arguments, byMember: true, wanted: false),
        ["items"] = (context, value, _) => value switch
        {
            TemplateDict dict => CollectionMethods.Items(context, dict),
            Undefined => new TemplateList([]),
            _ => throw new TemplateFault($"{Python.TypeName(value)} has no items"),
        },
        ["dictsort"] = DictSort,
        ["sort"] = Sort,
        ["unique"] = Unique,
        ["sum"] = Sum,
        ["min"] = (context, value, arguments) => Extreme(context, value, arguments, sign: -1),
        ["max"] = (context, value, arguments) => Extreme(context, value, arguments, sign: 1),
        ["batch"] = Batch,
    };

    private static IReadOnlyList<object?> Items(RenderContext context, object? value)
    {
        var items = Python.Iterate(value);
        context.Spend(items.Count);
        return items;
    }

    /// <summary>As map and select take it: whatever is false has no items.</summary>
    private static IReadOnlyList<object?> ItemsIfAny(RenderContext context, object? value) => Python.IsTrue(value) ? Items(context, value) : [];

    private static object Reverse(RenderContext context, object? value, Arguments arguments)
    {
        var reversed = Items(context, value).Reverse().ToList();
        return value is TemplateString ? TextPieces.Join(TemplateString.Empty, reversed, context) : new TemplateList(reversed);
    }

    private static TemplateString Join(RenderContext context, object? value, Arguments arguments)
    {
        var bound = arguments.Bind("d", "attribute");
        var items = Items(context, value);
        if (bound.Has(1))
        {
            items = [.. items.Select(item => Members.Follow(item, bound.Get(1)))];
        }

        return TextPieces.Join(PythonText.Str(bound.Get(0, TemplateString.Empty)), items, context);
    }

    private static TemplateList Map(RenderContext context, object? value, Arguments arguments)
    {
        var items = ItemsIfAny(context, value);
        if (arguments.Positional.Count == 0)
        {
            var bound = arguments.Bind("attribute", "default");
            var path = bound.Required(0);
            return new TemplateList([.. items.Select(item => Members.Follow(item, path) is var found && found is Undefined && bound.Has(1) ? bound.Get(1) : found)]);
        }

        var name = PythonText.Str(arguments.Positional[0]).Text;
        var filter = Filters.All.GetValueOrDefault(name) ?? throw new TemplateFault($"filter '{name}' is not supported");
        var rest = new Arguments([.. arguments.Positional.Skip(1)], arguments.Named);
        context.EnterCall();
        var mapped = new TemplateList([.. items.Select(item => filter(context, item, rest))]);
        context.LeaveCall();
        return mapped;
    }

    private static TemplateList Choose(RenderContext context, object? value, Arguments arguments, bool byMember, bool wanted)
    {
        var given = arguments.Positional;
        var testAt = byMember ? 1 : 0;
        var path = !byMember ? null : given.Count > 0 ? given[0] : throw new TemplateFault("argument 'attribute' is missing");
        TemplateTest test = (item, _) => Python.IsTrue(item);
        if (given.Count > testAt)
        {
            var name = PythonText.Str(given[testAt]).Text;
            test = Tests.All.GetValueOrDefault(name) ?? throw new TemplateFault($"test '{name}' is not supported");
        }

        var rest = new Arguments([.. given.Skip(testAt + 1)], arguments.Named);
        return new TemplateList([.. ItemsIfAny(context, value).Where(item => test(byMember ? Members.Follow(item, path) : item, rest) == wanted)]);
    }

    private static TemplateList DictSort(RenderContext context, object? value, Arguments arguments)
    {
        var bound = arguments.Bind("case_sensitive", "by", "reverse");
        var dict = value as TemplateDict ?? throw new TemplateFault($"{Python.TypeName(value)} is not a dict");
        var byValue = bound.Has(1) && bound.Text(1).Text == "value";
        var entries = CollectionMethods.Items(context, dict).Items;
        return Sorted(entries, entry => Python.Iterate(entry)[byValue ? 1 : 0], bound.Flag(0), bound.Flag(2));
    }

    private static TemplateList Sort(RenderContext context, object? value, Arguments arguments)
    {
        var bound = arguments.Bind("reverse", "case_sensitive", "attribute");
        return Sorted(Items(context, value), item => bound.Has(2) ? Members.Follow(item, bound.Get(2)) : item, bound.Flag(1), bound.Flag(0));
    }

    private static TemplateList Sorted(
        IEnumerable<object?> items, Func<object?, object?> key, bool caseSensitive, bool reverse)
    {
        return new TemplateList(Python.Sort(items, item => Folded(key(item), caseSensitive), reverse));
    }

    private static TemplateList Unique(RenderContext context, object? value, Arguments arguments)
    {
        var bound = arguments.Bind("case_sensitive", "attribute");
        var seen = new TemplateDict();
        var kept = new List<object?>();
        foreach (var item in Items(context, value))
        {
            var key = Folded(bound.Has(1) ? Members.Follow(item, bound.Get(1)) : item, bound.Flag(0));
            if (!seen.Contains(key))
            {
                seen[key] = true;
                kept.Add(item);
            }
        }

        return new TemplateList(kept);
    }

    private static object? Sum(RenderContext context, object? value, Arguments arguments)
    {
        var bound = arguments.Bind("attribute", "start");
        var total = bound.Get(1, 0L);
        foreach (var item in Items(context, value))
        {
            total = Operators.Apply("+", total, bound.Get(0) is { } path ? Members.Follow(item, path) : item, context);
        }

        return total;
    }

    private static object? Extreme(RenderContext context, object? value, Arguments arguments, int sign)
    {
        var bound = arguments.Bind("case_sensitive", "attribute");
        object? best = new Undefined("the list is empty");
        object? bestKey = null;
        foreach (var item in Items(context, value))
        {
            var key = Folded(bound.Has(1) ? Members.Follow(item, bound.Get(1)) : item, bound.Flag(0));
            if (best is Undefined || Python.Compare(key, bestKey) * sign > 0)
            {
                (best, bestKey) = (item, key);
            }
        }

        return best;
    }

    private static TemplateList Batch(RenderContext context, object? value, Arguments arguments)
    {
        var bound = arguments.Bind("linecount", "fill_with");
        var size = Math.Max(1, Python.ToInt(bound.Required(0)));
        var batches = Items(context, value).Chunk(size).Select(chunk => new List<object?>(chunk)).ToList();
        if (bound.Get(1) is { } filler && batches.Count > 0)
        {
            context.Spend(size);
            batches[^1].AddRange(Enumerable.Repeat<object?>(filler, size - batches[^1].Count));
        }

        return new TemplateList([.. batches.Select(batch => new TemplateList(batch))]);
    }

    private static object? Folded(object? key, bool caseSensitive) =>
        key is TemplateString text && !caseSensitive ? text.WithText(text.Text.ToLowerInvariant()) : key;
}
