using System.Collections.Immutable;
using Loire.Store;

namespace Loire.Silo.Sessions;

/// <summary>A session as it stands in the store: its reference, and what the chain of its turns amounts to. Immutable.</summary>
internal sealed record SessionLineage
{
    public required SessionReference Reference { get; init; }

    /// <summary>Oldest first.</summary>
    public required ImmutableArray<TurnRecord> Turns { get; init; }

    /// <summary>Every token of the head, prompt and generated.</summary>
    public required ImmutableArray<int> Tokens { get; init; }

    /// <summary>Every message of the head.</summary>
    public required ImmutableArray<TurnMessage> Messages { get; init; }

    public TurnRecord? Head => Turns.IsEmpty ? null : Turns[^1];

    /// <summary>A session that is in the store only once its reference has been swapped in.</summary>
    public static SessionLineage New(SessionReference reference) => new() { Reference = reference, Turns = [], Tokens = [], Messages = [] };

    /// <summary>Null when there is no such session.</summary>
    public static async ValueTask<SessionLineage?> LoadAsync(ICheckpointStore store, StateOwner owner, string id)
    {
        if (await store.GetSessionAsync(owner, id) is not { } reference)
        {
            return null;
        }

        var history = await store.ReadHistoryAsync(reference.Head);
        return new SessionLineage
        {
            Reference = reference, Turns = [.. history.Turns], Tokens = [.. history.Tokens], Messages = [.. history.Messages],
        };
    }

    /// <summary>The lineage after one more turn.</summary>
    public SessionLineage Append(TurnRecord turn, SessionReference reference) => new()
    {
        Reference = reference,
        Turns = Turns.Add(turn),
        Tokens = [.. Tokens.AsSpan(0, turn.KeepTokens), .. turn.NewTokens],
        Messages = [.. Messages.AsSpan(0, turn.KeepMessages), .. turn.Messages],
    };

    /// <summary>The lineage as it was after a turn (null: before the first), under another reference. Null when it has no such turn.</summary>
    public SessionLineage? At(Digest? turn, SessionReference reference)
    {
        var count = turn is { } id ? Turns.FindIndex(record => record.Id == id) + 1 : 0;
        if (turn is not null && count == 0)
        {
            return null;
        }

        return count == Turns.Length ? this with { Reference = reference } : Of(Turns[..count], reference);
    }

    /// <summary>The committed turn that a client gave this id.</summary>
    public TurnRecord? Find(string turnId) => Turns.LastOrDefault(turn => turn.TurnId == turnId);

    /// <summary>The lineage that a committed turn was built on. Null when it has no turn with this id.</summary>
    public SessionLineage? Before(string? turnId) => turnId is not null && Find(turnId) is { } turn ? At(turn.Parent, Reference) : null;

    /// <summary>Costs what the turns added, however many there are.</summary>
    private static SessionLineage Of(ImmutableArray<TurnRecord> turns, SessionReference reference)
    {
        var tokens = new List<int>();
        var messages = new List<TurnMessage>();
        foreach (var turn in turns)
        {
            tokens.RemoveRange(turn.KeepTokens, tokens.Count - turn.KeepTokens);
            tokens.AddRange(turn.NewTokens);
            messages.RemoveRange(turn.KeepMessages, messages.Count - turn.KeepMessages);
            messages.AddRange(turn.Messages);
        }

        return new SessionLineage { Reference = reference, Turns = turns, Tokens = [.. tokens], Messages = [.. messages] };
    }
}

internal static class ImmutableArrayExtensions
{
    /// <summary>-1 when there is none.</summary>
    public static int FindIndex<T>(this ImmutableArray<T> items, Predicate<T> match)
    {
        for (var i = 0; i < items.Length; i++)
        {
            if (match(items[i]))
            {
                return i;
            }
        }

        return -1;
    }
}
