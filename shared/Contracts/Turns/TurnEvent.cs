using System.Collections.Immutable;
using Orleans;

namespace Loire.Contracts;

[GenerateSerializer, Alias("loire.turn-event-kind.v1")]
public enum TurnEventKind
{
    /// <summary>Admitted: <see cref="TurnEvent.Start"/> says what was restored.</summary>
    Started = 0,

    /// <summary>Newly generated tokens and their text.</summary>
    Tokens = 1,

    /// <summary>A checkpoint is in the store (between replica and session; not passed to clients).</summary>
    Checkpoint = 2,

    /// <summary>The last event.</summary>
    Finished = 3,
}

/// <summary>One event of a turn's stream. Exactly the part that <see cref="Kind"/> names is set.</summary>
[GenerateSerializer, Immutable, Alias("loire.turn-event.v1")]
public sealed record TurnEvent
{
    [Id(0)] public required TurnEventKind Kind { get; init; }
    [Id(1)] public TurnStart? Start { get; init; }
    [Id(2)] public TokenChunk? Chunk { get; init; }
    [Id(3)] public CheckpointTaken? Checkpoint { get; init; }
    [Id(4)] public TurnFinish? Finish { get; init; }

    public static TurnEvent Of(TurnStart start) => new() { Kind = TurnEventKind.Started, Start = start };

    public static TurnEvent Of(TokenChunk chunk) => new() { Kind = TurnEventKind.Tokens, Chunk = chunk };

    public static TurnEvent Of(CheckpointTaken checkpoint) => new() { Kind = TurnEventKind.Checkpoint, Checkpoint = checkpoint };

    public static TurnEvent Of(TurnFinish finish) => new() { Kind = TurnEventKind.Finished, Finish = finish };
}

/// <summary>Where the state of the kept prefix came from.</summary>
[GenerateSerializer, Alias("loire.state-source.v1")]
public enum StateSource
{
    /// <summary>Nothing was kept: every prompt token is computed.</summary>
    Prefill = 0,

    /// <summary>It was still on the device.</summary>
    Device = 1,

    /// <summary>Read from the store.</summary>
    Store = 2,
}

/// <param name="PromptTokens">All tokens of the prompt.</param>
/// <param name="CachedTokens">Those among them whose state was restored, not computed.</param>
/// <param name="Source">Where the restored state was.</param>
/// <param name="Warning">Why a stored state was refused and computed anew, for example a damaged blob. Null when nothing was wrong.</param>
[GenerateSerializer, Immutable, Alias("loire.turn-start.v1")]
public sealed record TurnStart(
    [property: Id(0)] int PromptTokens,
    [property: Id(1)] int CachedTokens,
    [property: Id(2)] StateSource Source,
    [property: Id(3)] string? Warning = null);

/// <param name="Tokens">Ids, in order.</param>
/// <param name="Text">What these tokens add to the text: whole characters only, nothing of a stop string or a special token. May be empty.</param>
/// <param name="LogProbs">One for each token when asked for, else empty.</param>
[GenerateSerializer, Immutable, Alias("loire.token-chunk.v1")]
public sealed record TokenChunk(
    [property: Id(0)] ImmutableArray<int> Tokens,
    [property: Id(1)] string Text,
    [property: Id(2)] ImmutableArray<TokenLogProb> LogProbs);

/// <param name="Token">Id.</param>
/// <param name="LogProb">Natural logarithm of the model's own probability, before temperature and penalties.</param>
/// <param name="Top">The most likely alternatives, best first.</param>
[GenerateSerializer, Immutable, Alias("loire.token-logprob.v1")]
public sealed record TokenLogProb(
    [property: Id(0)] int Token,
    [property: Id(1)] float LogProb,
    [property: Id(2)] ImmutableArray<TokenAlternative> Top);

[GenerateSerializer, Immutable, Alias("loire.token-alternative.v1")]
public sealed record TokenAlternative([property: Id(0)] int Token, [property: Id(1)] float LogProb);

/// <param name="Address">Of the checkpoint.</param>
/// <param name="Tokens">How many tokens, prompt and generated, its state covers.</param>
/// <param name="StoredBytes">Written for it: shared pages are not written again.</param>
/// <param name="StateBytes">Size of the whole state: recurrent state and keys and values.</param>
[GenerateSerializer, Immutable, Alias("loire.checkpoint-taken.v1")]
public sealed record CheckpointTaken(
    [property: Id(0)] string Address,
    [property: Id(1)] int Tokens,
    [property: Id(2)] long StoredBytes,
    [property: Id(3)] long StateBytes);

[GenerateSerializer, Alias("loire.finish-reason.v1")]
public enum FinishReason
{
    /// <summary>The model's end token, or a stop string.</summary>
    Stop = 0,

    /// <summary>Max tokens, or the context is full.</summary>
    Length = 1,

    /// <summary>The client went away or cancelled.</summary>
    Cancelled = 2,
}

/// <summary>How a turn ended. Its tokens are committed when this arrives (unless <see cref="Durability.Async"/>).</summary>
[GenerateSerializer, Immutable, Alias("loire.turn-finish.v1")]
public sealed record TurnFinish
{
    [Id(0)] public required FinishReason Reason { get; init; }
    [Id(1)] public required int PromptTokens { get; init; }
    [Id(2)] public required int CachedTokens { get; init; }
    [Id(3)] public required int GeneratedTokens { get; init; }

    /// <summary>The session's head after the turn. Null when no session is kept.</summary>
    [Id(4)] public string? Head { get; init; }

    /// <summary>From the turn's arrival at the replica to the first token, the wait for a slot and the state included, in milliseconds.</summary>
    [Id(5)] public double FirstTokenMilliseconds { get; init; }

    /// <summary>From the first token to the last, in milliseconds.</summary>
    [Id(6)] public double DecodeMilliseconds { get; init; }

    /// <summary>Size of the session's model state after the turn, in bytes.</summary>
    [Id(7)] public long StateBytes { get; init; }
}
