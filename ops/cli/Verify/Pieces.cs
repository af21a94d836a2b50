namespace Loire.Cli.Verify;

/// <summary>The ways in which a prompt is fed; each must give the same logits.</summary>
internal static class Pieces
{
    public static IEnumerable<(string Name, int[] Lengths)> WaysToFeed(int tokens)
    {
        yield return ("whole", []);
        yield return ("pieces", Cut(tokens, [64, 1, 7]));
        yield return ("one by one", [.. Enumerable.Repeat(1, tokens)]);
    }

    /// <summary>These lengths, then the rest; shorter prompts end early. The sum is always <paramref name="tokens"/>.</summary>
    public static int[] Cut(int tokens, ReadOnlySpan<int> lengths)
    {
        List<int> pieces = [];
        foreach (var length in lengths)
        {
            var piece = Math.Min(length, tokens);
            if (piece > 0)
            {
                pieces.Add(piece);
                tokens -= piece;
            }
        }

        if (tokens > 0)
        {
            pieces.Add(tokens);
        }

        return [.. pieces];
    }
}
