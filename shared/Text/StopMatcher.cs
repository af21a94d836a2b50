namespace Loire.Text;

/// <summary>Watches a stream of text for stop strings, holding back whatever may turn out to begin one.</summary>
public sealed class StopMatcher(IReadOnlyList<string> stops)
{
    /// <summary>True when a stop string is complete; <paramref name="safe"/> is the text before it, or all text that cannot begin a stop.</summary>
    public bool Push(string delta, out string safe) => throw new NotImplementedException(string.Join(' ', stops));

    /// <summary>The text held back, when no more follows.</summary>
    public string Flush() => throw new NotImplementedException();
}
