namespace Loire.Engine.Sampling;

/// <summary>A token and its log-probability.</summary>
public readonly record struct TokenLogProb(int Token, float LogProb);

/// <summary>Picks the tokens of one sequence.</summary>
/// <remarks>
/// A draw depends on seed, position, logits and the observed tokens, and on nothing else: not on the batch, the step or the node.
/// Not for two threads at once; allocates nothing after its first tokens.
/// </remarks>
public sealed class Sampler
{
    /// <exception cref="ArgumentException">A setting is out of range; names the field.</exception>
    public Sampler(int vocabularySize, SamplingSettings settings) => throw new NotImplementedException();

    public SamplingSettings Settings => throw new NotImplementedException();

    /// <summary>The best tokens of the last <see cref="Sample"/>, best first: as many as <see cref="SamplingSettings.LogProbs"/>. Valid until the next one.</summary>
    public ReadOnlySpan<TokenLogProb> Alternatives => throw new NotImplementedException();

    /// <summary>Counts tokens of the prompt, for the repetition penalty.</summary>
    public void ObservePrompt(ReadOnlySpan<int> tokens) => throw new NotImplementedException();

    /// <summary>Counts a generated token, sampled or replayed. <see cref="Sample"/> does not do so by itself.</summary>
    public void Observe(int token) => throw new NotImplementedException();

    /// <summary>Picks the token at <paramref name="position"/> of the sequence (prompt included).</summary>
    /// <returns>The log-probability is that of the raw logits, before temperature and penalties; NaN when not asked for.</returns>
    /// <exception cref="InvalidOperationException">A logit is NaN or +∞, or all are −∞: names the position.</exception>
    public TokenLogProb Sample(ReadOnlySpan<float> logits, long position) => throw new NotImplementedException();
}
