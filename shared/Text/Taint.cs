namespace Loire.Text;

/// <summary>Which characters of a text are somebody's words and must not be read as control tokens.</summary>
/// <param name="ranges">In order, not overlapping, none empty; null when nothing is tainted.</param>
internal readonly struct Taint(TextRange[]? ranges)
{
    public static Taint None => default;

    public ReadOnlySpan<TextRange> Ranges => ranges;

    public bool IsNone => ranges is null or [];

    public bool Touches(int start, int end)
    {
        if (ranges is null || start >= end)
        {
            return false;
        }

        var at = FirstEndingAfter(start);
        return at < ranges.Length && ranges[at].Start < end;
    }

    public Taint Slice(int start, int length)
    {
        if (ranges is null || length == 0)
        {
            return None;
        }

        var end = start + length;
        var kept = new List<TextRange>();
        for (var i = FirstEndingAfter(start); i < ranges.Length && ranges[i].Start < end; i++)
        {
            kept.Add(new TextRange(Math.Max(ranges[i].Start, start) - start, Math.Min(ranges[i].End, end) - start));
        }

        return kept.Count == 0 ? None : new Taint([.. kept]);
    }

    private int FirstEndingAfter(int position)
    {
        int low = 0, high = ranges!.Length; // callers have checked
        while (low < high)
        {
            var middle = (low + high) / 2;
            if (ranges[middle].End > position)
            {
                high = middle;
            }
            else
            {
                low = middle + 1;
            }
        }

        return low;
    }
}

/// <summary>Characters from <paramref name="Start"/> up to, not including, <paramref name="End"/>.</summary>
internal readonly record struct TextRange(int Start, int End);
