using System.Collections.Immutable;
using System.Text.Json;
using Loire.Contracts;
using Loire.Store;

namespace Loire.Silo.Sessions;

/// <summary>A turn on top of a lineage, before its answer is known. Becomes an open turn, then a record.</summary>
internal sealed record TurnDraft
{
    public required TurnRequest Request { get; init; }

    /// <summary>What it builds on; null when the session has no turn yet or none is kept.</summary>
    public required TurnRecord? Parent { get; init; }

    public required int KeepTokens { get; init; }
    public required int KeepMessages { get; init; }

    /// <summary>Every token of the prompt, the kept ones first.</summary>
    public required ImmutableArray<int> Prompt { get; init; }

    public required ImmutableArray<TurnMessage> Messages { get; init; }

    /// <summary>The head's checkpoint, where it is still one of this prompt's prefixes.</summary>
    public Digest? Checkpoint => Parent?.CheckpointTokens <= KeepTokens ? Parent.Checkpoint : null;

    /// <exception cref="ClusterException">The request counts on another head, or keeps more than there is.</exception>
    public static TurnDraft Of(TurnRequest request, SessionLineage? lineage)
    {
        var head = lineage?.Head;
        if (request.ExpectedHead is null && (!request.ExpectNew || head is null))
        {
            return Whole(request, lineage);
        }

        if (head?.Id.ToString() != request.ExpectedHead)
        {
            throw new ClusterException(
                FailureCode.HeadMoved,
                $"The session's head is {head?.Id.ToString() ?? "empty"}, not {request.ExpectedHead ?? "empty"}. Read its history again and retry.");
        }

        if (request.KeepTokens < 0 || request.KeepTokens > lineage!.Tokens.Length) // a head has a lineage
        {
            throw new ClusterException(
                FailureCode.InvalidRequest, $"KeepTokens is {request.KeepTokens}; the head has {lineage?.Tokens.Length} tokens.", nameof(request.KeepTokens));
        }

        if (request.KeepMessages < 0 || request.KeepMessages > lineage.Messages.Length)
        {
            throw new ClusterException(
                FailureCode.InvalidRequest, $"KeepMessages is {request.KeepMessages}; the head has {lineage.Messages.Length} messages.", nameof(request.KeepMessages));
        }

        return new TurnDraft
        {
            Request = request,
            Parent = head,
            KeepTokens = request.KeepTokens,
            KeepMessages = request.KeepMessages,
            Prompt = [.. lineage.Tokens.AsSpan(0, request.KeepTokens), .. request.Tokens],
            Messages = [.. request.Messages.Select(TranscriptMap.ToStored)],
        };
    }

    public OpenTurn Open(DateTimeOffset now) => new()
    {
        TurnId = Request.TurnId,
        KeepTokens = KeepTokens,
        PromptTokens = Prompt[KeepTokens..],
        KeepMessages = KeepMessages,
        Messages = Messages,
        Sampling = JsonSerializer.Serialize(
            new OpenTurnSettings(Request.Sampling, Request.MaxTokens, Request.Stop, Request.StopAtEnd, Request.Durability),
            SessionJson.Default.OpenTurnSettings),
        Seed = unchecked((long)Request.Sampling.Seed),
        StartedAt = now,
    };

    /// <summary>The record of the turn with its answer.</summary>
    /// <param name="model">Digest of the session's model.</param>
    /// <param name="owner">Whose session.</param>
    /// <param name="answer">What was generated and passed on.</param>
    /// <param name="finish">Why it ended.</param>
    /// <param name="now">When it was committed.</param>
    public TurnRecord Seal(Digest model, StateOwner owner, TurnAnswer answer, FinishReason finish, DateTimeOffset now)
    {
        var (checkpoint, tokens) = answer.CheckpointWithin(Prompt.Length) ?? (Checkpoint, Checkpoint is null ? 0 : Parent!.CheckpointTokens);
        return new TurnRecord
        {
            Parent = Parent?.Id,
            Depth = Parent is null ? 0 : Parent.Depth + 1,
            Owner = owner,
            Model = model,
            TurnId = Request.TurnId,
            KeepTokens = KeepTokens,
            NewTokens = [.. Prompt.AsSpan()[KeepTokens..], .. answer.Tokens],
            GeneratedTokens = answer.Tokens.Count,
            FinishReason = NameOf(finish),
            KeepMessages = KeepMessages,
            Messages = [.. Messages, new TurnMessage(AnswerRole, answer.Text)],
            Checkpoint = checkpoint,
            CheckpointTokens = tokens,
            CreatedAt = now,
        }.Seal();
    }

    public const string AnswerRole = "assistant";

    public const string Interrupted = "interrupted";

    public static string NameOf(FinishReason reason) => reason switch
    {
        FinishReason.Stop => "stop",
        FinishReason.Length => "length",
        _ => "cancelled",
    };

    public static FinishReason ReasonOf(string name) => name switch
    {
        "stop" => FinishReason.Stop,
        "length" => FinishReason.Length,
        _ => FinishReason.Cancelled,
    };

    /// <summary>The whole history comes with the request: what it shares with the head is kept, so that the chain stores it once.</summary>
    private static TurnDraft Whole(TurnRequest request, SessionLineage? lineage)
    {
        ImmutableArray<TurnMessage> messages = [.. request.Messages.Select(TranscriptMap.ToStored)];
        var keepTokens = lineage is null ? 0 : lineage.Tokens.AsSpan().CommonPrefixLength(request.Tokens.AsSpan());
        var keepMessages = lineage is null ? 0 : lineage.Messages.AsSpan().CommonPrefixLength(messages.AsSpan());
        return new TurnDraft
        {
            Request = request,
            Parent = lineage?.Head,
            KeepTokens = Math.Min(keepTokens, request.Tokens.Length - 1),
            KeepMessages = keepMessages,
            Prompt = request.Tokens,
            Messages = messages[keepMessages..],
        };
    }
}
