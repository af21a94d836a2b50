using Loire.Kernels;

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
    private readonly CandidateDraw _candidateDraw;
    private readonly LogProbReport? _report;

    /// <exception cref="ArgumentException">A setting is out of range; names the field.</exception>
    public Sampler(int vocabularySize, SamplingSettings settings)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(vocabularySize);
        settings.Validate(vocabularySize);
        _vocabularySize = vocabularySize;
        _penalties = new TokenPenalties(vocabularySize, settings);
        _draw = new TokenDraw(settings);
        _candidateDraw = new CandidateDraw(settings, vocabularySize);
        _report = settings.LogProbs < 0 ? null : new LogProbReport(Math.Min(settings.LogProbs, vocabularySize));
        Settings = settings;
    }

    public SamplingSettings Settings { get; }

    /// <summary>Whether <see cref="Sample"/> is no more than the best token, without its log-probability.</summary>
    public bool IsPlain => Settings.Temperature == 0 && _report is null && !_penalties.IsActive;

    /// <summary>Whether a token is a matter of logits and position: neither of the tokens before it, nor with anything reported beside it.</summary>
    public bool IsOfLogitsAlone => _report is null && !_penalties.IsActive;

    /// <summary>The best tokens of the last <see cref="Sample"/> or successful <see cref="TrySample"/>, best first: as many as <see cref="SamplingSettings.LogProbs"/>. Valid until the next one.</summary>
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

    /// <summary>What a device needs to pick the token at <paramref name="position"/> itself, as <see cref="TrySample"/> does from the best of a row.</summary>
    /// <param name="position">In the sequence, prompt included.</param>
    /// <param name="ends">Tokens that end the sequence: at most <see cref="RowChoice.MostEnds"/>.</param>
    public RowChoice ChoiceAt(long position, ReadOnlySpan<int> ends)
    {
        if (!IsOfLogitsAlone)
        {
            return default;
        }

        return IsPlain
            ? RowChoice.Best(ends)
            : RowChoice.Draw(TokenDraw.ScaleOf(Settings), Settings.TopK, Settings.TopP, Settings.MinP, CounterRandom.Uniform(Settings.Seed, (ulong)position), ends);
    }

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

    /// <summary>Picks the token at <paramref name="position"/> from the best of a row.</summary>
    /// <param name="candidates">Of the row.</param>
    /// <param name="position">In the sequence, prompt included.</param>
    /// <param name="sampled">What <see cref="Sample"/> gives for the whole row; log-probabilities may differ by the error of the candidates' sum.</param>
    /// <returns>False where it is not certain which token that is, or whether it is one: only the whole row can tell.</returns>
    public bool TrySample(in LogitCandidates candidates, long position, out TokenLogProb sampled)
    {
        if (candidates.VocabularySize != _vocabularySize)
        {
            throw new ArgumentException($"The candidates are of {candidates.VocabularySize} logits; the vocabulary has {_vocabularySize} tokens.", nameof(candidates));
        }

        sampled = default;
        var known = KnownTokens.Of(candidates, _penalties);
        var others = OtherTokens.Of(candidates, _penalties);
        if (!double.IsFinite(candidates.LogSumExp) || !float.IsFinite(known.Max) || known.Max < others.Ceiling || _report?.CanFill(candidates) is false)
        {
            return false;
        }

        if (!TryPick(candidates, known, others, position, out var token))
        {
            return false;
        }

        sampled = new TokenLogProb(token, _report is null ? float.NaN : _report.Fill(candidates, token));
        return true;
    }

    private bool TryPick(in LogitCandidates candidates, KnownTokens known, in OtherTokens others, long position, out int token)
    {
        if (Settings.Temperature == 0)
        {
            token = known.Best;
            return known.Max > others.Ceiling;
        }

        var scale = TokenDraw.ScaleOf(Settings);
        known.Weigh(scale);
        return _candidateDraw.TryPick(known, others.At(candidates, _penalties, known.Max, scale), CounterRandom.Uniform(Settings.Seed, (ulong)position), out token);
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
