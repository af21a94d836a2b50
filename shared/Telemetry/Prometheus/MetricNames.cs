using System.Text;

namespace Loire.Telemetry.Prometheus;

/// <summary>How instruments and labels are called in Prometheus: <c>loire.turn.first_token</c> in ms is <c>loire_turn_first_token_milliseconds</c>.</summary>
public static class MetricNames
{
    /// <summary>A longer value of a label is cut: labels are for a few words, not for texts.</summary>
    public const int MostValueLength = 128;

    /// <param name="name">Of the instrument.</param>
    /// <param name="unit">Of the instrument, in UCUM: ms, By.</param>
    /// <param name="isCounter">Counters end in <c>_total</c>.</param>
    public static string Of(string name, string? unit, bool isCounter)
    {
        var text = Legal(name);
        if (WordOf(unit) is { } word && !text.EndsWith("_" + word, StringComparison.Ordinal))
        {
            text = $"{text}_{word}";
        }

        return isCounter && !text.EndsWith("_total", StringComparison.Ordinal) ? text + "_total" : text;
    }

    /// <summary>Letters, digits and underscores; no digit first.</summary>
    public static string Legal(string name)
    {
        var text = new StringBuilder(name.Length);
        foreach (var character in name)
        {
            if (char.IsAsciiDigit(character) && text.Length == 0)
            {
                text.Append('_');
            }

            text.Append(char.IsAsciiLetterOrDigit(character) ? character : '_');
        }

        return text.Length == 0 ? "_" : text.ToString();
    }

    /// <summary><c>{a="b",c="d"}</c> without the braces, by name, so that the same labels in another order are the same series.</summary>
    internal static string Labels(ReadOnlySpan<KeyValuePair<string, object?>> tags)
    {
        if (tags.IsEmpty)
        {
            return "";
        }

        var labels = new SortedDictionary<string, string>(StringComparer.Ordinal);
        foreach (var (name, value) in tags)
        {
            labels.TryAdd(Legal(name), Convert.ToString(value, System.Globalization.CultureInfo.InvariantCulture) ?? "");
        }

        var text = new StringBuilder();
        foreach (var (name, value) in labels)
        {
            text.Append(text.Length == 0 ? "" : ",").Append(name).Append("=\"");
            AppendEscaped(text, value.Length > MostValueLength ? value[..MostValueLength] : value, quotes: true);
            text.Append('"');
        }

        return text.ToString();
    }

    internal static void AppendEscaped(StringBuilder text, string value, bool quotes)
    {
        foreach (var character in value)
        {
            _ = character switch
            {
                '\\' => text.Append("\\\\"),
                '\n' => text.Append("\\n"),
                '"' when quotes => text.Append("\\\""),
                _ => text.Append(character),
            };
        }
    }

    private static string? WordOf(string? unit) => unit switch
    {
        "s" => "seconds",
        "ms" => "milliseconds",
        "us" => "microseconds",
        "By" => "bytes",
        "%" => "percent",
        _ => null, // counts, written as {turn} or not at all
    };
}
