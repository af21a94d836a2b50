using System.Text.Json.Serialization;

namespace Loire.Store;

/// <summary>A turn that has begun and not ended: enough for another node to finish it.</summary>
public sealed record OpenTurn
{
    public required string TurnId { get; init; }

    /// <summary>Tokens of the head that the turn builds on, from the start.</summary>
    public required int KeepTokens { get; init; }

    /// <summary>Tokens of the prompt after the kept ones.</summary>
    public required IReadOnlyList<int> PromptTokens { get; init; }

    public required int KeepMessages { get; init; }

    /// <summary>Messages of the prompt after the kept ones.</summary>
    public required IReadOnlyList<TurnMessage> Messages { get; init; }

    /// <summary>Sampling settings as JSON; opaque to the store.</summary>
    public required string Sampling { get; init; }

    public required long Seed { get; init; }

    /// <summary>Tokens generated up to the newest checkpoint of the turn.</summary>
    public IReadOnlyList<int> GeneratedTokens { get; init; } = [];

    /// <summary>Newest checkpoint taken during the turn.</summary>
    public Digest? Checkpoint { get; init; }

    public int CheckpointTokens { get; init; }

    public required DateTimeOffset StartedAt { get; init; }
}

/// <summary>Where a session was forked from.</summary>
public sealed record ForkPoint(string SessionId, Digest Turn);

/// <summary>A session: a name that points at its newest turn, like a branch. Constant in size; the only thing in the store that changes.</summary>
/// <remarks>Moves by compare-and-swap on <see cref="Epoch"/> alone: of two owners who both believe in the same epoch, one loses.</remarks>
public sealed record SessionReference
{
    public const int CurrentFormatVersion = 1;
    public const int MaxIdLength = 512;

    public int FormatVersion { get; init; } = CurrentFormatVersion;

    public required StateOwner Owner { get; init; }

    public required string Id { get; init; }

    public required Digest Model { get; init; }

    /// <summary>Grows with each change. Starts at the time of creation, so that a session created anew under an old name never repeats an epoch.</summary>
    public required long Epoch { get; init; }

    /// <summary>The newest turn; null before the first.</summary>
    public Digest? Head { get; init; }

    public OpenTurn? Open { get; init; }

    public ForkPoint? ForkedFrom { get; init; }

    public required DateTimeOffset CreatedAt { get; init; }

    public required DateTimeOffset UpdatedAt { get; init; }

    /// <summary>What the session's user calls it; opaque to the store.</summary>
    public string? Title { get; init; }

    [JsonIgnore]
    public bool IsEmpty => Head is null && Open is null;

    /// <summary>A new session without turns. Store it with expected epoch 0.</summary>
    public static SessionReference Create(StateOwner owner, string id, Digest model, DateTimeOffset now) => new()
    {
        Owner = owner,
        Id = id,
        Model = model,
        Epoch = Math.Max(1, now.ToUnixTimeMilliseconds()),
        CreatedAt = now,
        UpdatedAt = now,
    };

    /// <summary>A new session at <paramref name="turn"/> (this session's head unless given). Store it with expected epoch 0.</summary>
    public SessionReference Fork(string id, DateTimeOffset now, Digest? turn = null) => Create(Owner, id, Model, now) with
    {
        Head = turn ?? Head,
        ForkedFrom = (turn ?? Head) is { } at ? new ForkPoint(Id, at) : null,
        Title = Title,
    };

    /// <summary>The next epoch: the same session with a turn under way. Store it with this epoch expected.</summary>
    public SessionReference Begin(OpenTurn turn, DateTimeOffset now) => Next(now) with { Open = turn };

    /// <summary>The next epoch: head at <paramref name="turn"/>, nothing open. Ends a turn, and rewinds. Store it with this epoch expected.</summary>
    public SessionReference MoveTo(Digest? turn, DateTimeOffset now) => Next(now) with { Head = turn, Open = null };

    private SessionReference Next(DateTimeOffset now) => this with { Epoch = Epoch + 1, UpdatedAt = now };
}
