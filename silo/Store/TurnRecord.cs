using System.Text.Json.Serialization;

namespace Loire.Store;

/// <summary>A message of a conversation, as a turn added it.</summary>
/// <param name="Role">Such as <c>user</c> or <c>assistant</c>.</param>
/// <param name="Content">Its text.</param>
/// <param name="Name">The speaker's name, where one was given.</param>
/// <param name="Extra">Further fields as one JSON object, such as tool calls; opaque to the store.</param>
public sealed record TurnMessage(string Role, string Content, string? Name = null, string? Extra = null);

/// <summary>One turn that happened: immutable, chained to the turn before it, named by the digest of its content, like a commit.</summary>
/// <remarks>
/// The chain is the truth of a session: its tokens and messages. A checkpoint only saves their computation.
/// <code>
/// parent's tokens: | kept ……………… | dropped |      tokens after this turn: | kept ……………… | new: prompt, then generated |
/// </code>
/// </remarks>
public sealed record TurnRecord
{
    public const int CurrentFormatVersion = 1;

    public int FormatVersion { get; init; } = CurrentFormatVersion;

    /// <summary>Digest of everything below; set by <see cref="Seal"/>.</summary>
    [JsonIgnore]
    public Digest Id { get; init; }

    /// <summary>The turn before; null for a session's first.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public required Digest? Parent { get; init; }

    /// <summary>Turns before this one.</summary>
    public required int Depth { get; init; }

    public required StateOwner Owner { get; init; }

    public required Digest Model { get; init; }

    /// <summary>Chosen by the client or the gateway: a retry has the same.</summary>
    public required string TurnId { get; init; }

    /// <summary>Tokens of the parent that this turn builds on, from the start.</summary>
    public required int KeepTokens { get; init; }

    /// <summary>Tokens after the kept ones: prompt, then generated.</summary>
    public required IReadOnlyList<int> NewTokens { get; init; }

    /// <summary>How many of <see cref="NewTokens"/> were generated; the others are prompt.</summary>
    public required int GeneratedTokens { get; init; }

    public required string FinishReason { get; init; }

    /// <summary>Messages of the parent's conversation that stay, from the start.</summary>
    public required int KeepMessages { get; init; }

    /// <summary>Messages that this turn added, in order.</summary>
    public required IReadOnlyList<TurnMessage> Messages { get; init; }

    /// <summary>Address of the newest checkpoint on this turn's tokens, where one was stored.</summary>
    public Digest? Checkpoint { get; init; }

    /// <summary>Tokens that <see cref="Checkpoint"/> has seen.</summary>
    public int CheckpointTokens { get; init; }

    public required DateTimeOffset CreatedAt { get; init; }

    /// <summary>Tokens of the session after this turn.</summary>
    [JsonIgnore]
    public int TotalTokens => KeepTokens + NewTokens.Count;

    [JsonIgnore]
    public int PromptTokens => NewTokens.Count - GeneratedTokens;

    /// <summary>Messages of the session after this turn.</summary>
    [JsonIgnore]
    public int TotalMessages => KeepMessages + Messages.Count;

    /// <summary>The same turn under its name.</summary>
    /// <exception cref="ArgumentException">A count is impossible; names the field.</exception>
    public TurnRecord Seal()
    {
        if (this.Fault() is { } fault)
        {
            throw new ArgumentException($"Turn '{TurnId}' cannot be recorded: {fault}.");
        }

        return this with { Id = Digest.Of(StoreJson.Serialize(this)) };
    }
}
