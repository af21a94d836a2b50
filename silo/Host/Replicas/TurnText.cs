using System.Text;
using Loire.Text;

namespace Loire.Silo.Replicas;

/// <summary>Text of one turn as its tokens come: whole characters only, nothing of a stop string or after it.</summary>
internal sealed class TurnText(Tokenizer tokenizer, IReadOnlyList<string> stops)
{
    private readonly TextStream _stream = new(tokenizer);
    private readonly StopMatcher _stops = new(stops);

    /// <summary>Where the text stands after tokens that were passed on before.</summary>
    /// <param name="tokenizer">The model's.</param>
    /// <param name="stops">Stop strings.</param>
    /// <param name="tokens">Of the turn, from its first.</param>
    /// <param name="passed">Their text: what somebody who was given these tokens has seen.</param>
    public static TurnText After(Tokenizer tokenizer, IReadOnlyList<string> stops, ReadOnlySpan<int> tokens, out string passed)
    {
        var text = new TurnText(tokenizer, stops);
        var seen = new StringBuilder();
        foreach (var token in tokens)
        {
            seen.Append(text.Push(token));
        }

        passed = seen.ToString();
        return text;
    }

    /// <summary>A stop string is complete: no more text comes.</summary>
    public bool IsStopped { get; private set; }

    /// <summary>The text that this token makes certain.</summary>
    public string Push(int token) => Pass(_stream.Push(token));

    /// <summary>What was held back, when no token follows.</summary>
    public string End()
    {
        var rest = Pass(_stream.Flush());
        return IsStopped ? rest : rest + _stops.Flush();
    }

    private string Pass(string delta)
    {
        if (IsStopped || delta.Length == 0)
        {
            return "";
        }

        IsStopped = _stops.Push(delta, out var safe);
        return safe;
    }
}
