namespace Loire.Text;

/// <summary>What <c>value.name</c> and <c>value[key]</c> give. There is no reflection: what is not listed does not exist.</summary>
internal static class Members
{
    /// <summary>An attribute or method; false when the value has none of that name and its items are to be asked.</summary>
    public static bool TryFind(object? value, string name, out object? member)
    {
        member = value switch
        {
            Undefined undefined => throw TemplateFault.Of(undefined),
            TemplateString => Bind(StringMethods.All, value, name),
            TemplateDict => Bind(CollectionMethods.OfDict, value, name),
            TemplateList => Bind(CollectionMethods.OfList, value, name),
            TemplateNamespace names => names.Members.TryGetValue(name, out var set) ? set : new Undefined($"the namespace has no member '{name}'"),
            LoopState loop => loop.Member(name),
            MacroValue macro when name == "name" => new TemplateString(macro.Name),
            _ => null,
        };
        return member is not null || value is TemplateNamespace or LoopState;
    }

    public static object? Index(object? value, object? key)
    {
        switch (value)
        {
            case Undefined undefined:
                throw TemplateFault.Of(undefined);
            case TemplateDict dict when key is not Undefined:
                return dict.TryGet(key, out var found) ? found : Missing(value, key);
            case TemplateList list when key is long or bool:
                var at = Python.ToInt(key);
                at = at < 0 ? at + list.Items.Count : at;
                return at >= 0 && at < list.Items.Count ? list.Items[at] : Missing(value, key);
            case TemplateString text when key is long or bool:
                return Character(text, Python.ToInt(key)) ?? (object)Missing(value, key);
            default:
                return Missing(value, key);
        }
    }

    /// <summary>Follows a path such as <c>function.name</c>, each step as a subscript.</summary>
    public static object? Follow(object? value, object? path)
    {
        if (path is not TemplateString text)
        {
            return Index(value, path);
        }

        foreach (var part in text.Text.Split('.'))
        {
            object key = long.TryParse(part, out var number) ? number : new TemplateString(part);
            var found = Index(value, key);
            value = found is Undefined && key is TemplateString && TryFind(value, part, out var member) ? member : found;
        }

        return value;
    }

    private static TemplateString? Character(TemplateString text, int at)
    {
        RenderContext.ChargeText(text.Text.Length);
        var bounds = text.Boundaries();
        at = at < 0 ? at + bounds.Length - 1 : at;
        return at >= 0 && at < bounds.Length - 1 ? text.Slice(bounds[at], bounds[at + 1] - bounds[at]) : null;
    }

    private static BoundMethod? Bind(Dictionary<string, Func<RenderContext, object, Arguments, object?>> methods, object value, string name) =>
        methods.TryGetValue(name, out var method) ? new BoundMethod(name, value, method) : null;

    private static Undefined Missing(object? value, object? key) =>
        new($"{Python.TypeName(value)} has no member {(key is TemplateString name ? $"'{name.Text}'" : PythonText.Str(key).Text)}");
}
