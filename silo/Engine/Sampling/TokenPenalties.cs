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
    private readonly bool _canRaise;
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
        _canRaise = settings.RepetitionPenalty < 1 || settings.PresencePenalty < 0 || settings.FrequencyPenalty < 0;
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
        foreach (var token in Seen)
        {
            logits[token] = Counted(token, logits[token]);
        }

        foreach (var (token, bias) in _bias)
        {
            logits[token] += bias;
        }
    }

    /// <summary>What <see cref="Apply"/> makes of a token's logit. A greater logit never becomes a lesser one than another, rounding included.</summary>
    public float Adjust(int token, float logit)
    {
        var counted = Counts && _seen[token] ? Counted(token, logit) : logit;
        return BiasOf(token) is { } bias ? counted + bias : counted;
    }

    /// <summary>The greatest that <see cref="Apply"/> makes of logits up to this one, beside those of the given tokens.</summary>
    public float CeilingBeside(ReadOnlySpan<int> tokens, float logit)
    {
        var ceiling = logit;
        foreach (var token in _canRaise ? Seen : [])
        {
            ceiling = Adjust(token, logit) is var raised && raised > ceiling && !tokens.Contains(token) ? raised : ceiling;
        }

        foreach (var (token, _) in _bias)
        {
            ceiling = Adjust(token, logit) is var raised && raised > ceiling && !tokens.Contains(token) ? raised : ceiling;
        }

        return ceiling;
    }

    /// <summary>How many tokens beside the given ones <see cref="Apply"/> changes, at most.</summary>
    public int CountBeside(ReadOnlySpan<int> tokens)
    {
        var count = _distinctCount + _bias.Length;
        foreach (var token in tokens)
        {
            count -= (Counts && _seen[token] ? 1 : 0) + (BiasOf(token) is null ? 0 : 1);
        }

        return count;
    }

    private ReadOnlySpan<int> Seen => _distinct.AsSpan(0, _distinctCount);

    /// <summary>The logit of a token that has been observed, before bias.</summary>
    private float Counted(int token, float logit)
    {
        var repeated = logit > 0 ? logit / _settings.RepetitionPenalty : logit * _settings.RepetitionPenalty;
        return _generated[token] is var times and > 0 ? repeated - ((_settings.FrequencyPenalty * times) + _settings.PresencePenalty) : repeated;
    }

    private float? BiasOf(int token)
    {
        var (low, high) = (0, _bias.Length);
        while (low < high)
        {
            var middle = (low + high) / 2;
            (low, high) = _bias[middle].Key < token ? (middle + 1, high) : (low, middle);
        }

        return low < _bias.Length && _bias[low].Key == token ? _bias[low].Value : null;
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
