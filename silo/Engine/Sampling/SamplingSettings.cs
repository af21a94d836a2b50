using System.Globalization;

namespace Loire.Engine.Sampling;

/// <summary>How one turn picks its tokens. Applied in this order: penalties, bias, temperature, top-k, top-p, min-p, draw.</summary>
public sealed record SamplingSettings
{
    public const int MaxLogProbs = 20;

    public static SamplingSettings Greedy { get; } = new();

    /// <summary>0 is greedy: the best token, the lowest id among equals. At most 100.</summary>
    public float Temperature { get; init; }

    /// <summary>Keeps the K best tokens, and those equal to the last of them. 0 keeps all.</summary>
    public int TopK { get; init; }

    /// <summary>Keeps the fewest best tokens whose probabilities reach this sum, at least one; the lower id goes first among equals. 1 keeps all.</summary>
    public float TopP { get; init; } = 1;

    /// <summary>Drops tokens less probable than this share of the best one. 0 drops none.</summary>
    public float MinP { get; init; }

    /// <summary>For tokens of the prompt and generated ones: positive logits are divided by it, others multiplied. 0.01 to 100; 1 changes nothing.</summary>
    public float RepetitionPenalty { get; init; } = 1;

    /// <summary>Subtracted once from each token that has been generated. −2 to 2.</summary>
    public float PresencePenalty { get; init; }

    /// <summary>Subtracted from a token as often as it has been generated. −2 to 2.</summary>
    public float FrequencyPenalty { get; init; }

    /// <summary>With the position it determines each draw.</summary>
    public ulong Seed { get; init; }

    /// <summary>Added to the logits of these tokens. −100 to 100 each.</summary>
    public IReadOnlyDictionary<int, float>? LogitBias { get; init; }

    /// <summary>How many alternatives are reported beside the token's own log-probability: 0 to 20; −1 reports neither.</summary>
    public int LogProbs { get; init; } = -1;

    /// <exception cref="ArgumentException">Its <see cref="ArgumentException.ParamName"/> is the field; the message says what was found and what is allowed.</exception>
    public void Validate(int vocabularySize)
    {
        Within(nameof(Temperature), Temperature, 0, 100);
        Within(nameof(TopK), TopK, 0, int.MaxValue);
        Within(nameof(TopP), TopP, 0, 1);
        Within(nameof(MinP), MinP, 0, 1);
        Within(nameof(RepetitionPenalty), RepetitionPenalty, 0.01f, 100);
        Within(nameof(PresencePenalty), PresencePenalty, -2, 2);
        Within(nameof(FrequencyPenalty), FrequencyPenalty, -2, 2);
        Within(nameof(LogProbs), LogProbs, -1, MaxLogProbs);
        foreach (var (token, bias) in LogitBias ?? new Dictionary<int, float>())
        {
            if (token < 0 || token >= vocabularySize)
            {
                throw Wrong(nameof(LogitBias), $"names token {token}; tokens go from 0 to {vocabularySize - 1}.");
            }

            Within(nameof(LogitBias), bias, -100, 100);
        }
    }

    private static void Within(string field, float found, float least, float most)
    {
        if (!(found >= least && found <= most)) // so that NaN is outside
        {
            throw Wrong(field, string.Create(CultureInfo.InvariantCulture, $"is {found}; allowed: {least} to {most}."));
        }
    }

    private static ArgumentException Wrong(string field, string problem) => new($"{field} {problem}", field);
}
