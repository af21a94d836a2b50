using System.Collections.Immutable;
using Orleans;

namespace Loire.Contracts;

/// <summary>A session as the API and the console show it.</summary>
[GenerateSerializer, Immutable, Alias("loire.session-view.v1")]
public sealed record SessionView
{
    [Id(0)] public required string Id { get; init; }
    [Id(1)] public required string Model { get; init; }
    [Id(2)] public required long Epoch { get; init; }

    /// <summary>Id of the newest committed turn record; null before the first commit.</summary>
    [Id(3)] public string? Head { get; init; }

    [Id(4)] public required int Turns { get; init; }
    [Id(5)] public required int Tokens { get; init; }

    /// <summary>Tokens covered by the head's checkpoint.</summary>
    [Id(6)] public int CheckpointTokens { get; init; }

    /// <summary>Recurrent state and keys and values of the head's checkpoint, in bytes.</summary>
    [Id(7)] public long StateBytes { get; init; }

    /// <summary>Whether the state is on a device now.</summary>
    [Id(8)] public bool Resident { get; init; }

    [Id(9)] public string? RunningTurn { get; init; }
    [Id(10)] public string? ForkedFrom { get; init; }
    [Id(11)] public required DateTimeOffset CreatedAt { get; init; }
    [Id(12)] public required DateTimeOffset UpdatedAt { get; init; }

    /// <summary>Oldest first. Empty in lists.</summary>
    [Id(13)] public ImmutableArray<TurnView> History { get; init; } = [];

    /// <summary>Address of the head's checkpoint; null when it has none.</summary>
    [Id(14)] public string? Checkpoint { get; init; }
}

/// <summary>One committed turn.</summary>
[GenerateSerializer, Immutable, Alias("loire.turn-view.v1")]
public sealed record TurnView
{
    /// <summary>Id of the turn record: what rewind and fork name.</summary>
    [Id(0)] public required string Id { get; init; }

    [Id(1)] public required string TurnId { get; init; }
    [Id(2)] public required int TotalTokens { get; init; }
    [Id(3)] public required int GeneratedTokens { get; init; }
    [Id(4)] public required string FinishReason { get; init; }
    [Id(5)] public required ImmutableArray<TranscriptMessage> Messages { get; init; }
    [Id(6)] public required DateTimeOffset At { get; init; }
}

/// <summary>What the next prompt is built on.</summary>
/// <param name="Head">Id of the newest turn record; null when nothing is committed yet.</param>
/// <param name="Model">The session's model.</param>
/// <param name="Messages">All messages, oldest first.</param>
/// <param name="Tokens">All tokens, prompt and generated.</param>
[GenerateSerializer, Immutable, Alias("loire.session-history.v1")]
public sealed record SessionHistory(
    [property: Id(0)] string? Head,
    [property: Id(1)] string Model,
    [property: Id(2)] ImmutableArray<TranscriptMessage> Messages,
    [property: Id(3)] ImmutableArray<int> Tokens);

/// <param name="From">Silo that had the session.</param>
/// <param name="To">Silo that has it next.</param>
/// <param name="WasRunning">Whether a turn was running, which goes on there.</param>
[GenerateSerializer, Immutable, Alias("loire.session-move.v1")]
public sealed record SessionMove([property: Id(0)] string From, [property: Id(1)] string To, [property: Id(2)] bool WasRunning)
{
    /// <summary>How the state gets there.</summary>
    [Id(3)] public StateRoute Via { get; init; }

    /// <summary>Recurrent state and keys and values that went from silo to silo. 0 when the next turn reads them from the store.</summary>
    [Id(4)] public long Bytes { get; init; }

    /// <summary>All that went over the link, with what frames and checks add.</summary>
    [Id(5)] public long WireBytes { get; init; }

    /// <summary>Keys and values that the new silo had already.</summary>
    [Id(6)] public long SharedBytes { get; init; }

    /// <summary>How long the session could run no turn here before it was let go, in milliseconds: from the end of its turn, if one ran.</summary>
    [Id(7)] public double PauseMilliseconds { get; init; }

    /// <summary>Why the state did not go directly. Null when it did, or when none was on the device.</summary>
    [Id(8)] public string? Reason { get; init; }
}

/// <param name="NewId">Name of the new session, valid by <see cref="SessionKey.IsValidId"/>.</param>
/// <param name="At">Turn record to begin at; null: the head.</param>
[GenerateSerializer, Immutable, Alias("loire.fork-request.v1")]
public sealed record ForkRequest([property: Id(0)] string NewId, [property: Id(1)] string? At = null);

/// <summary>Exactly one of the two is set.</summary>
/// <param name="Turns">How many turns to go back, at least 1; as many as there are empties the session.</param>
/// <param name="To">Turn record to become the head.</param>
[GenerateSerializer, Immutable, Alias("loire.rewind-request.v1")]
public sealed record RewindRequest([property: Id(0)] int? Turns = null, [property: Id(1)] string? To = null);

/// <param name="Sessions">Newest first.</param>
/// <param name="Next">Pass as <c>after</c> for the next page; null at the end.</param>
[GenerateSerializer, Immutable, Alias("loire.session-page.v1")]
public sealed record SessionPage(
    [property: Id(0)] ImmutableArray<SessionView> Sessions,
    [property: Id(1)] string? Next);
