using System.Collections.Immutable;

namespace Loire.Engine.Sampling;

/// <summary>What a sequence's own tokens, and the caller's bias, do to its logits.</summary>
/// <remarks>Costs as much as the sequence has distinct tokens, whatever the vocabulary.</remarks>
internal sealed class TokenPenalties
{
    private const int FirstCapacity = 4096;

    private readonly SamplingSettings _settings;
    private readonly int _vocabularySize;
    private readonly ImmutableArray<KeyValuePair<int, float>> _bias;
    private readonly int[] _generated;
    private readonly bool[] _seen;
    private int[] _distinct;
    private int _distinctCount;

    public TokenPenalties(int vocabularySize, SamplingSettings settings)
    {
        _settings = settings;
        _vocabularySize = vocabularySize;
        _bias = settings.LogitBias is { } bias ? [.. bias.OrderBy(pair => pair.Key)] : [];
        Counts = settings is not { RepetitionPenalty: 1, PresencePenalty: 0, FrequencyPenalty: 0 };
        _generated = new int[Counts ? vocabularySize : 0];
        _seen = new bool[Counts ? vocabularySize : 0];
        _distinct = new int[Counts ? Math.Min(FirstCapacity, vocabularySize) : 0];
    }

    /// <summary>Whether <see cref="Apply"/> changes anything.</summary>
    public bool IsActive => Counts || !_bias.IsEmpty;

    private bool Counts { get; }

    public void Observe(int token, bool generated)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(token);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(token, _vocabularySize);
        if (!Counts)
        {
            return;
        }

        if (!_seen[token])
        {
            _seen[token] = true;
            Append(token);
        }

        _generated[token] += generated ? 1 : 0;
    }

    /// <summary>Repetition (prompt and generated), then frequency and presence (generated), then bias.</summary>
    public void Apply(Span<float> logits)
    {
        foreach (var token in _distinct.AsSpan(0, _distinctCount))
        {
            ref var logit = ref logits[token];
            logit = logit > 0 ? logit / _settings.RepetitionPenalty : logit * _settings.RepetitionPenalty;
            if (_generated[token] is var times and > 0)
            {
                logit -= (_settings.FrequencyPenalty * times) + _settings.PresencePenalty;
            }
        }

        foreach (var (token, bias) in _bias)
        {
            logits[token] += bias;
        }
    }

    private void Append(int token)
    {
        if (_distinctCount == _distinct.Length)
        {
            Array.Resize(ref _distinct, Math.Min(2 * _distinct.Length, _vocabularySize));
        }

        _distinct[_distinctCount++] = token;
    }
}
