namespace Loire.Store;

/// <summary>A session's whole past: what its chain of turns amounts to.</summary>
/// <param name="Tokens">Every token, prompt and generated.</param>
/// <param name="Messages">Every message.</param>
/// <param name="Turns">The turns that are reached, oldest first.</param>
public sealed record SessionHistory(IReadOnlyList<int> Tokens, IReadOnlyList<TurnMessage> Messages, IReadOnlyList<TurnRecord> Turns);

/// <summary>Walks along parents. Each turn costs one small read, whatever the length of the session.</summary>
public static class TurnChain
{
    /// <summary>The turn <paramref name="back"/> turns before <paramref name="head"/>: what a rewind moves to.</summary>
    /// <returns>Null when the way back ends before the first turn.</returns>
    /// <exception cref="MissingStateException">A turn of the chain is not stored.</exception>
    public static async ValueTask<Digest?> AncestorAsync(
        this ICheckpointStore store, Digest head, int back, CancellationToken cancellationToken = default)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(back);
        Digest? at = head;
        for (; back > 0 && at is { } id; back--)
        {
            at = (await RequireAsync(store, id, cancellationToken)).Parent;
        }

        return at;
    }

    /// <summary>Tokens and messages up to <paramref name="head"/>; nothing for null.</summary>
    /// <exception cref="MissingStateException">A turn of the chain is not stored.</exception>
    /// <exception cref="DamagedRecordException">A turn of the chain is damaged.</exception>
    public static async ValueTask<SessionHistory> ReadHistoryAsync(
        this ICheckpointStore store, Digest? head, CancellationToken cancellationToken = default)
    {
        var turns = new List<TurnRecord>();
        for (var at = head; at is { } id; at = turns[^1].Parent)
        {
            var turn = await RequireAsync(store, id, cancellationToken);
            if (turns.Count > 0 && turn.Depth != turns[^1].Depth - 1)
            {
                throw new DamagedRecordException($"turn {id}", "depth", $"{turn.Depth} before a turn of depth {turns[^1].Depth}");
            }

            turns.Add(turn);
        }

        turns.Reverse();
        return Assemble(turns);
    }

    private static SessionHistory Assemble(List<TurnRecord> turns)
    {
        var tokens = new List<int>(turns.Count == 0 ? 0 : turns[^1].TotalTokens);
        var messages = new List<TurnMessage>();
        foreach (var turn in turns)
        {
            Keep(tokens, turn.KeepTokens, turn, "keepTokens");
            Keep(messages, turn.KeepMessages, turn, "keepMessages");
            tokens.AddRange(turn.NewTokens);
            messages.AddRange(turn.Messages);
        }

        return new SessionHistory(tokens, messages, turns);
    }

    private static void Keep<T>(List<T> list, int count, TurnRecord turn, string field)
    {
        if (count > list.Count)
        {
            throw new DamagedRecordException($"turn {turn.Id}", field, $"{count}; its parent has {list.Count}");
        }

        list.RemoveRange(count, list.Count - count);
    }

    private static async ValueTask<TurnRecord> RequireAsync(ICheckpointStore store, Digest id, CancellationToken cancellationToken) =>
        await store.GetTurnAsync(id, cancellationToken)
        ?? throw new MissingStateException($"Turn {id} is referred to but not stored: the session's past is incomplete.", id);
}
