using System.Collections.Immutable;
using Loire.Contracts;
using Loire.Store;

namespace Loire.Silo.Sessions;

/// <summary>Sessions as API and console show them.</summary>
internal static class SessionViews
{
    /// <summary>Without history: for lists.</summary>
    public static SessionView Summary(SessionReference reference, TurnRecord? head, string model) => new()
    {
        Id = reference.Id,
        Model = model,
        Epoch = reference.Epoch,
        Head = reference.Head?.ToString(),
        Turns = head is null ? 0 : head.Depth + 1,
        Tokens = head?.TotalTokens ?? 0,
        CheckpointTokens = head?.CheckpointTokens ?? 0,
        Checkpoint = head?.Checkpoint?.ToString(),
        RunningTurn = reference.Open?.TurnId,
        ForkedFrom = reference.ForkedFrom?.SessionId,
        CreatedAt = reference.CreatedAt,
        UpdatedAt = reference.UpdatedAt,
    };

    /// <param name="lineage">The session.</param>
    /// <param name="model">What clients call its model.</param>
    /// <param name="runningTurn">The turn that runs now. An open turn that does not was interrupted, and is shown so.</param>
    public static SessionView Whole(SessionLineage lineage, string model, string? runningTurn) =>
        Summary(lineage.Reference, lineage.Head, model) with { RunningTurn = runningTurn, History = History(lineage, runningTurn) };

    private static ImmutableArray<TurnView> History(SessionLineage lineage, string? runningTurn)
    {
        var history = lineage.Turns.Select(Committed);
        return lineage.Reference.Open is { } open && open.TurnId != runningTurn ? [.. history, OfInterrupted(open)] : [.. history];
    }

    private static TurnView Committed(TurnRecord turn) => new()
    {
        Id = turn.Id.ToString(),
        TurnId = turn.TurnId,
        TotalTokens = turn.TotalTokens,
        GeneratedTokens = turn.GeneratedTokens,
        FinishReason = turn.FinishReason,
        Messages = turn.Messages.ToWire(),
        At = turn.CreatedAt,
    };

    /// <summary>No record has it: it cannot be named, only seen.</summary>
    private static TurnView OfInterrupted(OpenTurn open) => new()
    {
        Id = "",
        TurnId = open.TurnId,
        TotalTokens = open.KeepTokens + open.PromptTokens.Count,
        GeneratedTokens = 0,
        FinishReason = TurnDraft.Interrupted,
        Messages = open.Messages.ToWire(),
        At = open.StartedAt,
    };
}
