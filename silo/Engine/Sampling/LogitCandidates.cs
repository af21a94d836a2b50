namespace Loire.Engine.Sampling;

/// <summary>The best logits of a row and the sum over all of it: what is known of a row that stays where it was computed.</summary>
/// <remarks>Nothing is known of the other tokens but this: none has a greater logit than the least one here.</remarks>
public readonly ref struct LogitCandidates
{
    /// <summary>Relative error that the sum of exponentials may have: fp32 on a device, some dozens of roundings.</summary>
    internal const double SumTolerance = 2e-5;

    /// <param name="tokens">Distinct; at least one.</param>
    /// <param name="logits">Of the tokens, before penalties: the greatest first.</param>
    /// <param name="logSumExp">Of the whole row; NaN where a logit of the row is NaN or +∞, or all are −∞.</param>
    /// <param name="vocabularySize">Tokens of the whole row.</param>
    public LogitCandidates(ReadOnlySpan<int> tokens, ReadOnlySpan<float> logits, double logSumExp, int vocabularySize)
    {
        if (tokens.Length != logits.Length || tokens.Length > vocabularySize || tokens.IsEmpty)
        {
            throw new ArgumentException($"There are {tokens.Length} tokens and {logits.Length} logits of a vocabulary of {vocabularySize}: as many of the one as of the other are wanted, from one to all.", nameof(tokens));
        }

        Tokens = tokens;
        Logits = logits;
        LogSumExp = logSumExp;
        VocabularySize = vocabularySize;
    }

    public ReadOnlySpan<int> Tokens { get; }

    public ReadOnlySpan<float> Logits { get; }

    /// <summary><c>ln Σ e^x</c> over the whole row.</summary>
    public double LogSumExp { get; }

    public int VocabularySize { get; }

    /// <summary>Tokens that are not here.</summary>
    public int OthersCount => VocabularySize - Tokens.Length;

    /// <summary>What no other token exceeds.</summary>
    public float Least => Logits[^1];
}
