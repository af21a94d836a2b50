using System.Collections.Immutable;
using Orleans;

namespace Loire.Contracts;

/// <summary>One turn of a session: what is new, on top of what is kept, and how to sample.</summary>
[GenerateSerializer, Immutable, Alias("loire.turn-request.v1")]
public sealed record TurnRequest
{
    /// <summary>Chosen by the client or the gateway; a retry with the same id joins the turn.</summary>
    [Id(0)] public required string TurnId { get; init; }

    [Id(1)] public required string Model { get; init; }

    /// <summary>Head that <see cref="KeepTokens"/> counts on. Null: the request carries the whole history and <see cref="KeepTokens"/> is 0, or <see cref="ExpectNew"/>.</summary>
    /// <remarks>If the session's head is another by now, the turn fails with <see cref="FailureCode.HeadMoved"/>: read the history again and retry.</remarks>
    [Id(2)] public string? ExpectedHead { get; init; }

    /// <summary>Tokens of the head, from the first, that stay as they are.</summary>
    [Id(3)] public int KeepTokens { get; init; }

    /// <summary>Prompt tokens after the kept ones. At least one.</summary>
    [Id(4)] public required ImmutableArray<int> Tokens { get; init; }

    /// <summary>Messages of the head that stay; <see cref="Messages"/> follow them.</summary>
    [Id(5)] public int KeepMessages { get; init; }

    /// <summary>New messages, for the transcript.</summary>
    [Id(6)] public ImmutableArray<TranscriptMessage> Messages { get; init; } = [];

    /// <summary>False: nothing but checkpoints with a time to live remains of the turn; no session is made.</summary>
    [Id(7)] public bool KeepSession { get; init; } = true;

    [Id(8)] public required SamplingOptions Sampling { get; init; }

    /// <summary>Most tokens to generate. At least 1.</summary>
    [Id(9)] public required int MaxTokens { get; init; }

    [Id(10)] public ImmutableArray<string> Stop { get; init; } = [];

    [Id(11)] public Durability Durability { get; init; } = Durability.Turn;

    /// <summary>Raw completion (no chat template): the transcript shows prompt and answer as plain text.</summary>
    [Id(12)] public bool IsCompletion { get; init; }

    /// <summary>False: generation goes on past the model's end tokens (benchmarks).</summary>
    [Id(13)] public bool StopAtEnd { get; init; } = true;

    /// <summary>True: the turn is meant as the session's first, so that of two such only one becomes it. Without an <see cref="ExpectedHead"/>.</summary>
    /// <remarks>If the session has a head by now, the turn fails with <see cref="FailureCode.HeadMoved"/>: read the history and go on from there.</remarks>
    [Id(14)] public bool ExpectNew { get; init; }

    /// <summary>Tokens of this turn that the caller was given already, before it lost the silo that ran it: the turn goes on after them.</summary>
    /// <remarks>They are taken as given, not sampled again. <see cref="MaxTokens"/> counts them.</remarks>
    [Id(15)] public ImmutableArray<int> Delivered { get; init; } = [];
}

/// <summary>When the last event of a turn is sent.</summary>
[GenerateSerializer, Alias("loire.durability.v1")]
public enum Durability
{
    /// <summary>After the checkpoint is stored and the reference has moved.</summary>
    Turn = 0,

    /// <summary>Before: faster by one commit; a crash right after it may lose the turn.</summary>
    Async = 1,
}

/// <summary>How tokens are chosen. Zero temperature is greedy.</summary>
[GenerateSerializer, Immutable, Alias("loire.sampling-options.v1")]
public sealed record SamplingOptions
{
    [Id(0)] public float Temperature { get; init; }
    [Id(1)] public int TopK { get; init; }
    [Id(2)] public float TopP { get; init; } = 1;
    [Id(3)] public float MinP { get; init; }
    [Id(4)] public float RepetitionPenalty { get; init; } = 1;
    [Id(5)] public float PresencePenalty { get; init; }
    [Id(6)] public float FrequencyPenalty { get; init; }

    /// <summary>With the position, the key of the random draw of a token. Chosen by the gateway when the client gives none.</summary>
    [Id(7)] public ulong Seed { get; init; }

    [Id(8)] public ImmutableDictionary<int, float> LogitBias { get; init; } = ImmutableDictionary<int, float>.Empty;

    /// <summary>-1: no log-probabilities. 0 to 20: that of the chosen token, and of as many alternatives.</summary>
    [Id(9)] public int LogProbs { get; init; } = -1;
}

/// <summary>One message of a transcript, as the client sent it or the model answered.</summary>
[GenerateSerializer, Immutable, Alias("loire.transcript-message.v1")]
public sealed record TranscriptMessage([property: Id(0)] string Role, [property: Id(1)] string Content)
{
    [Id(2)] public string? Name { get; init; }

    /// <summary>JSON text of the message's tool calls.</summary>
    [Id(3)] public string? ToolCalls { get; init; }

    [Id(4)] public string? ToolCallId { get; init; }
}

/// <summary>What a session asks of its replica: the whole prompt and the checkpoints that are known to be prefixes of it.</summary>
[GenerateSerializer, Immutable, Alias("loire.replica-turn.v1")]
public sealed record ReplicaTurn
{
    [Id(0)] public required string TurnId { get; init; }
    [Id(1)] public required string Owner { get; init; }
    [Id(2)] public required string Session { get; init; }

    /// <summary>Every token of the prompt, the kept ones first.</summary>
    [Id(3)] public required ImmutableArray<int> Tokens { get; init; }

    /// <summary>Address of the head's checkpoint, if it has one. Others are looked up by prefix.</summary>
    [Id(4)] public string? Checkpoint { get; init; }

    [Id(5)] public required SamplingOptions Sampling { get; init; }
    [Id(6)] public required int MaxTokens { get; init; }
    [Id(7)] public ImmutableArray<string> Stop { get; init; } = [];
    [Id(8)] public bool StopAtEnd { get; init; } = true;

    /// <summary>False: the checkpoint at the end only saves later work, so failing to store it does not fail the turn.</summary>
    [Id(9)] public bool MustCheckpoint { get; init; } = true;

    /// <summary>How many of <see cref="Tokens"/>, at their end, this turn has generated before: they are replayed, not sampled.</summary>
    [Id(10)] public int Generated { get; init; }
}
