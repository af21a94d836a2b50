namespace Loire.Engine.Sampling;

/// <summary>A token and its log-probability.</summary>
public readonly record struct TokenLogProb(int Token, float LogProb);

/// <summary>Picks the tokens of one sequence.</summary>
/// <remarks>
/// A draw depends on seed, position, logits and the observed tokens, and on nothing else: not on the batch, the step or the node.
/// Not for two threads at once, though any thread may come next. After a thread's first call it allocates nothing,
/// but for the list of distinct tokens that penalties need, which doubles now and then.
/// </remarks>
public sealed class Sampler
{
    private readonly int _vocabularySize;
    private readonly TokenPenalties _penalties;
    private readonly TokenDraw _draw;
    private readonly LogProbReport? _report;

    /// <exception cref="ArgumentException">A setting is out of range; names the field.</exception>
    public Sampler(int vocabularySize, SamplingSettings settings)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(vocabularySize);
        settings.Validate(vocabularySize);
        _vocabularySize = vocabularySize;
        _penalties = new TokenPenalties(vocabularySize, settings);
        _draw = new TokenDraw(settings);
        _report = settings.LogProbs < 0 ? null : new LogProbReport(Math.Min(settings.LogProbs, vocabularySize));
        Settings = settings;
    }

    public SamplingSettings Settings { get; }

    /// <summary>Whether <see cref="Sample"/> is no more than the best token, without its log-probability.</summary>
    public bool IsPlain => Settings.Temperature == 0 && _report is null && !_penalties.IsActive;

    /// <summary>The best tokens of the last <see cref="Sample"/>, best first: as many as <see cref="SamplingSettings.LogProbs"/>. Valid until the next one.</summary>
    public ReadOnlySpan<TokenLogProb> Alternatives => _report is null ? [] : _report.Alternatives;

    /// <summary>Counts tokens of the prompt, for the repetition penalty.</summary>
    /// <exception cref="ArgumentOutOfRangeException">A token is outside the vocabulary.</exception>
    public void ObservePrompt(ReadOnlySpan<int> tokens)
    {
        foreach (var token in tokens)
        {
            _penalties.Observe(token, generated: false);
        }
    }

    /// <summary>Counts a generated token, sampled or replayed. <see cref="Sample"/> does not do so by itself.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The token is outside the vocabulary.</exception>
    public void Observe(int token) => _penalties.Observe(token, generated: true);

    /// <summary>Picks the token at <paramref name="position"/> of the sequence (prompt included).</summary>
    /// <returns>The log-probability is that of the raw logits, before temperature and penalties; NaN when not asked for.</returns>
    /// <exception cref="InvalidOperationException">A logit is NaN or +∞, or all are −∞: names the position.</exception>
    public TokenLogProb Sample(ReadOnlySpan<float> logits, long position)
    {
        if (logits.Length != _vocabularySize)
        {
            throw new ArgumentException($"There are {logits.Length} logits; the vocabulary has {_vocabularySize} tokens.", nameof(logits));
        }

        var workspace = Workspace.For(_vocabularySize);
        var best = Best(logits, position, out var max);
        var rawMax = max;
        var adjusted = logits;
        if (_penalties.IsActive)
        {
            logits.CopyTo(workspace.Logits);
            var changed = workspace.Logits.AsSpan(0, _vocabularySize);
            _penalties.Apply(changed);
            best = Best(changed, position, out max);
            adjusted = changed;
        }

        var token = Settings.Temperature == 0 ? best : _draw.Pick(adjusted, max, position, workspace);
        var logProb = _report is null ? float.NaN : _report.Fill(logits, rawMax, token, workspace);
        return new TokenLogProb(token, logProb);
    }

    private static int Best(ReadOnlySpan<float> logits, long position, out float max)
    {
        var best = LogitVectors.IndexOfMax(logits, out max, out var hasNaN);
        if (hasNaN || !float.IsFinite(max))
        {
            var fault = hasNaN ? "hold NaN" : max > 0 ? "hold +∞" : "are all −∞";
            throw new InvalidOperationException($"The logits at position {position} {fault}: no token can be chosen. The weights or the state are damaged.");
        }

        return best;
    }
}
