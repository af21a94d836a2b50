namespace Loire.Text;

using Method = Func<RenderContext, object, Arguments, object?>;

/// <summary>Methods of dictionaries and lists.</summary>
internal static class CollectionMethods
{
    public static Dictionary<string, Method> OfDict { get; } = new(StringComparer.Ordinal)
    {
        ["items"] = (context, self, arguments) => Items(context, (TemplateDict)self),
        ["keys"] = (context, self, arguments) => Listed(context, ((TemplateDict)self).Keys),
        ["values"] = (context, self, arguments) => Listed(context, ((TemplateDict)self).Values),
        ["get"] = (_, self, arguments) =>
        {
            var bound = arguments.Bind("key", "default");
            return ((TemplateDict)self).TryGet(bound.Required(0), out var value) ? value : bound.Get(1);
        },
    };

    public static Dictionary<string, Method> OfList { get; } = new(StringComparer.Ordinal)
    {
        ["append"] = (context, self, arguments) => Change(context, self, items => items.Add(arguments.Bind("object").Required(0))),
        ["extend"] = (context, self, arguments) => Change(context, self, items =>
        {
            var more = Python.Iterate(arguments.Bind("iterable").Required(0));
            context.Spend(more.Count);
            items.AddRange([.. more]);
        }),
        ["insert"] = (context, self, arguments) => Change(context, self, items =>
        {
            var bound = arguments.Bind("index", "object");
            var at = bound.Int(0, 0);
            items.Insert(Math.Clamp(at < 0 ? at + items.Count : at, 0, items.Count), bound.Required(1));
            context.Spend(items.Count);
        }),
        ["pop"] = (context, self, arguments) =>
        {
            var at = arguments.Bind("index").Int(0, -1);
            object? popped = null;
            Change(context, self, items =>
            {
                at = at < 0 ? at + items.Count : at;
                popped = at >= 0 && at < items.Count ? items[at] : throw new TemplateFault("pop beyond the list");
                items.RemoveAt(at);
                context.Spend(items.Count);
            });
            return popped;
        },
        ["index"] = (context, self, arguments) =>
        {
            var wanted = arguments.Bind("value").Required(0);
            context.Spend(((TemplateList)self).Items.Count);
            var at = ((TemplateList)self).Items.FindIndex(item => Python.AreEqual(item, wanted));
            return at >= 0 ? (long)at : throw new TemplateFault("the value is not in the list");
        },
        ["count"] = (context, self, arguments) =>
        {
            var wanted = arguments.Bind("value").Required(0);
            context.Spend(((TemplateList)self).Items.Count);
            return (long)((TemplateList)self).Items.Count(item => Python.AreEqual(item, wanted));
        },
    };

    public static TemplateList Items(RenderContext context, TemplateDict dict)
    {
        context.Spend(dict.Count);
        return new TemplateList([.. dict.Entries.Select(entry => TemplateList.Tuple(entry.Key, entry.Value))]);
    }

    private static TemplateList Listed(RenderContext context, IEnumerable<object?> values)
    {
        var list = new TemplateList([.. values]);
        context.Spend(list.Items.Count);
        return list;
    }

    private static object? Change(RenderContext context, object self, Action<List<object?>> change)
    {
        var list = (TemplateList)self;
        if (list.IsTuple)
        {
            throw new TemplateFault("a tuple cannot be changed");
        }

        context.Spend();
        change(list.Items);
        return null;
    }
}
