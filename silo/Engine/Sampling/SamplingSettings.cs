namespace Loire.Engine.Sampling;

/// <summary>How one turn picks its tokens.</summary>
public sealed record SamplingSettings
{
    public static SamplingSettings Greedy { get; } = new();

    /// <summary>0 is greedy: the best token, the lowest id among equals.</summary>
    public float Temperature { get; init; }

    /// <summary>Keeps the K best tokens, and those equal to the last of them. 0 keeps all.</summary>
    public int TopK { get; init; }

    /// <summary>Keeps the fewest best tokens whose probabilities reach this sum. 1 keeps all.</summary>
    public float TopP { get; init; } = 1;

    /// <summary>Drops tokens less probable than this share of the best one. 0 drops none.</summary>
    public float MinP { get; init; }

    /// <summary>Over prompt and generated tokens: positive logits are divided by it, others multiplied. 1 changes nothing.</summary>
    public float RepetitionPenalty { get; init; } = 1;

    /// <summary>Subtracted once from each token that has been generated.</summary>
    public float PresencePenalty { get; init; }

    /// <summary>Subtracted from a token as often as it has been generated.</summary>
    public float FrequencyPenalty { get; init; }

    public ulong Seed { get; init; }

    /// <summary>Added to the logit of a token.</summary>
    public IReadOnlyDictionary<int, float>? LogitBias { get; init; }

    /// <summary>How many alternatives are reported beside the token's own log-probability: 0 to 20; −1 reports neither.</summary>
    public int LogProbs { get; init; } = -1;

    /// <exception cref="ArgumentException">Its <c>ParamName</c> is the field; the message says what was found and what is allowed.</exception>
    public void Validate(int vocabularySize) => throw new NotImplementedException();
}
