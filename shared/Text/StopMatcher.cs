namespace Loire.Text;

/// <summary>Watches a stream of text for stop strings, holding back whatever may turn out to begin one.</summary>
/// <remarks>
/// The stop that is complete first wins; of those complete at the same character, the longest. How the text is cut into
/// deltas changes nothing. Holds back less than the longest stop. Empty stops match nothing.
/// After a match the matcher is spent: it takes no more text and has none left.
/// </remarks>
public sealed class StopMatcher(IReadOnlyList<string> stops)
{
    // Longest first: of two that end together, the longer one began earlier.
    private readonly string[] _stops = [.. stops.Where(stop => stop.Length > 0).OrderByDescending(stop => stop.Length)];
    private string _held = "";
    private bool _matched;

    /// <summary>True when a stop string is complete; <paramref name="safe"/> is the text before it, or else all text that cannot begin a stop.</summary>
    public bool Push(string delta, out string safe)
    {
        safe = "";
        if (_matched)
        {
            return true;
        }

        if (_stops.Length == 0)
        {
            safe = delta;
            return false;
        }

        var text = _held.Length == 0 ? delta : _held + delta;
        for (var end = _held.Length + 1; end <= text.Length; end++)
        {
            if (StopEndingAt(text.AsSpan(0, end)) is { } stop)
            {
                safe = text[..(end - stop.Length)];
                _held = "";
                _matched = true;
                return true;
            }
        }

        var held = HeldLength(text);
        safe = text[..^held];
        _held = text[^held..];
        return false;
    }

    /// <summary>The text held back, when no more follows.</summary>
    public string Flush()
    {
        var rest = _held;
        _held = "";
        return rest;
    }

    private string? StopEndingAt(ReadOnlySpan<char> text)
    {
        foreach (var stop in _stops)
        {
            if (text.EndsWith(stop))
            {
                return stop;
            }
        }

        return null;
    }

    /// <summary>How long the longest end of the text is that begins a stop.</summary>
    private int HeldLength(ReadOnlySpan<char> text)
    {
        for (var length = Math.Min(_stops[0].Length - 1, text.Length); length > 0; length--)
        {
            foreach (var stop in _stops)
            {
                if (length < stop.Length && stop.AsSpan().StartsWith(text[^length..]))
                {
                    return length;
                }
            }
        }

        return 0;
    }
}
