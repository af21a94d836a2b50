using System.Collections.Immutable;
using Loire.Contracts;

namespace Loire.Gateway;

/// <summary>What chat and completion requests have in common, checked but not yet bound to a model.</summary>
internal sealed record TurnFields
{
    /// <summary>Null: the session's model, or the default one.</summary>
    public string? Model { get; init; }

    /// <summary>The session whose history this turn goes on from. Null: the request carries the whole history.</summary>
    public string? SessionId { get; init; }

    /// <summary>Chosen by the client, so that a retry joins the turn.</summary>
    public string? TurnId { get; init; }

    public required SamplingFields Sampling { get; init; }

    /// <summary>Null: the default, cut to what the context leaves.</summary>
    public int? MaxTokens { get; init; }

    /// <summary>Where the API itself has a default, that; otherwise the gateway's.</summary>
    public int? DefaultMaxTokens { get; init; }

    /// <summary>Which of its two names the client used.</summary>
    public string MaxTokensField { get; init; } = "max_tokens";

    public ImmutableArray<string> Stop { get; init; } = [];
    public bool Stream { get; init; }
    public bool IncludeUsage { get; init; }
    public Durability Durability { get; init; }
    public bool IgnoreEnd { get; init; }
}

/// <summary>How the client wants tokens chosen; null where the model's own default holds.</summary>
internal sealed record SamplingFields
{
    public float? Temperature { get; init; }
    public int? TopK { get; init; }
    public float? TopP { get; init; }
    public float? MinP { get; init; }
    public float? RepetitionPenalty { get; init; }
    public float? PresencePenalty { get; init; }
    public float? FrequencyPenalty { get; init; }
    public ulong? Seed { get; init; }
    public ImmutableDictionary<int, float> LogitBias { get; init; } = ImmutableDictionary<int, float>.Empty;

    /// <summary>-1: none. Otherwise the number of alternatives to each token.</summary>
    public int LogProbs { get; init; } = -1;
}
