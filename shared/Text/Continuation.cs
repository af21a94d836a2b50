using System.Text;

namespace Loire.Text;

/// <summary>Compares ids with a rendered conversation and encodes what the ids lack.</summary>
internal static class Continuation
{
    /// <param name="have">The ids that are there.</param>
    /// <param name="segments">Text and special tokens by turns, beginning and ending with text.</param>
    /// <param name="tokenizer">The one that both are from.</param>
    public static int[]? After(ReadOnlySpan<int> have, List<Tokenizer.Segment> segments, Tokenizer tokenizer)
    {
        var at = 0;
        var run = new List<byte>();
        foreach (var id in have)
        {
            if (!tokenizer.IsSpecial(id))
            {
                run.AddRange(tokenizer.BytesOf(id));
                continue;
            }

            // A special token ends a text, which has to be the same, and has to be the special token that follows it.
            if (at + 2 >= segments.Count || Decode(run) != segments[at].Text || segments[at + 1].SpecialId != id)
            {
                return null;
            }

            at += 2;
            run.Clear();
        }

        var begun = Decode(run);
        var text = segments[at].Text;
        if (!text.StartsWith(begun, StringComparison.Ordinal))
        {
            return null;
        }

        var ids = new List<int>();
        tokenizer.AppendPlain(text[begun.Length..], ids);
        for (at++; at < segments.Count; at++)
        {
            if (segments[at].SpecialId is { } special)
            {
                ids.Add(special);
            }
            else
            {
                tokenizer.AppendPlain(segments[at].Text, ids);
            }
        }

        return [.. ids];
    }

    private static string Decode(List<byte> bytes) =>
        Encoding.UTF8.GetString(System.Runtime.InteropServices.CollectionsMarshal.AsSpan(bytes));
}
