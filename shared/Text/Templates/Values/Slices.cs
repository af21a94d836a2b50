namespace Loire.Text;

/// <summary><c>value[start:stop:step]</c>.</summary>
internal static class Slices
{
    public static object? Cut(object? value, object? start, object? stop, object? step, RenderContext context)
    {
        Python.ThrowIfUndefined(value, start, stop, step);
        var by = step is null ? 1 : Python.ToInt(step);
        if (by == 0)
        {
            throw new TemplateFault("a step of zero");
        }

        switch (value)
        {
            case TemplateString text:
                context.SpendText(text.Text.Length);
                return Text(text, start, stop, by);
            case TemplateList list:
                context.Spend(list.Items.Count);
                return new TemplateList([.. Positions(list.Items.Count, start, stop, by).Select(i => list.Items[i])], list.IsTuple);
            default:
                throw new TemplateFault($"{Python.TypeName(value)} cannot be sliced");
        }
    }

    private static TemplateString Text(TemplateString text, object? start, object? stop, int step)
    {
        var bounds = text.Boundaries();
        if (step == 1)
        {
            var (from, to) = Bounds(bounds.Length - 1, start, stop, step);
            return from < to ? text.Slice(bounds[from], bounds[to] - bounds[from]) : TemplateString.Empty;
        }

        var result = new TextBuilder();
        foreach (var i in Positions(bounds.Length - 1, start, stop, step))
        {
            result.Append(text.Slice(bounds[i], bounds[i + 1] - bounds[i]));
        }

        return result.Build();
    }

    private static IEnumerable<int> Positions(int length, object? start, object? stop, int step)
    {
        var (from, to) = Bounds(length, start, stop, step);
        for (long i = from; step > 0 ? i < to : i > to; i += step)
        {
            yield return (int)i;
        }
    }

    private static (int From, int To) Bounds(int length, object? start, object? stop, int step)
    {
        var (low, high) = step > 0 ? (0, length) : (-1, length - 1);
        return (Bound(start, step > 0 ? low : high), Bound(stop, step > 0 ? high : low));

        int Bound(object? given, int absent)
        {
            if (given is null)
            {
                return absent;
            }

            var at = (long)Python.ToInt(given);
            return (int)Math.Clamp(at < 0 ? at + length : at, low, high);
        }
    }
}
