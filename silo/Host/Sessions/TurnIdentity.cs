using Loire.Contracts;
using Loire.Store;

namespace Loire.Silo.Sessions;

/// <summary>Whether two requests with one turn id are one turn: the same prompt on the same past. How to sample may differ; the first one's holds.</summary>
internal static class TurnIdentity
{
    /// <summary>Whether a request joins a turn that runs.</summary>
    public static bool AsksTheSameAs(this TurnRequest running, TurnRequest request) =>
        running.ExpectedHead == request.ExpectedHead
        && running.KeepTokens == request.KeepTokens
        && running.Tokens.AsSpan().SequenceEqual(request.Tokens.AsSpan());

    /// <summary>Whether a request is one for a turn that is committed.</summary>
    /// <param name="turn">Of the lineage.</param>
    /// <param name="request">With the turn's id.</param>
    /// <param name="lineage">The session's.</param>
    public static bool Answers(this TurnRecord turn, TurnRequest request, SessionLineage lineage) =>
        lineage.Before(turn.TurnId) is { } before
        && (request.ExpectedHead is null ? request.KeepTokens == 0 : request.ExpectedHead == turn.Parent?.ToString())
        && turn.KeepTokens + turn.PromptTokens == request.KeepTokens + request.Tokens.Length
        && before.Tokens.AsSpan(0, turn.KeepTokens).SequenceEqual(Prompt(request, before).AsSpan(0, turn.KeepTokens))
        && turn.NewTokens.Take(turn.PromptTokens).SequenceEqual(Prompt(request, before).Skip(turn.KeepTokens));

    public static ClusterException IsTaken(string turnId) => new(
        FailureCode.AlreadyExists, $"Turn id '{turnId}' names another turn of this session, with another prompt. Give a new turn a new id.", "turn_id");

    private static int[] Prompt(TurnRequest request, SessionLineage before) =>
        [.. before.Tokens.AsSpan(0, Math.Min(request.KeepTokens, before.Tokens.Length)), .. request.Tokens];
}
