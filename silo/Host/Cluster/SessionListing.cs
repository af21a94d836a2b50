using System.Globalization;
using Loire.Contracts;
using Loire.Silo.Models;
using Loire.Store;

namespace Loire.Silo.Cluster;

/// <summary>Pages through an owner's sessions, the newest first.</summary>
internal sealed class SessionListing(ICheckpointStore store, ModelCatalog catalog)
{
    public const int MaxLimit = 1000;

    /// <exception cref="ClusterException">The limit or the cursor is no good.</exception>
    public async Task<SessionPage> ReadAsync(string owner, string? after, int limit)
    {
        if (limit is < 1 or > MaxLimit)
        {
            throw new ClusterException(FailureCode.InvalidRequest, $"limit is {limit}: 1 to {MaxLimit} is allowed.", "limit");
        }

        var cursor = after is null ? ((long Ticks, string Id)?)null : Parse(after);
        var rest = (await ReferencesAsync(owner))
            .OrderByDescending(reference => reference.UpdatedAt.UtcTicks)
            .ThenBy(reference => reference.Id, StringComparer.Ordinal)
            .Where(reference => cursor is not { } seen || IsAfter(reference, seen))
            .Take(limit + 1)
            .ToList();
        var views = new List<SessionView>();
        foreach (var reference in rest.Take(limit))
        {
            views.Add(Sessions.SessionViews.Summary(reference, await HeadOrNoneAsync(reference), catalog.NameOf(reference.Model)));
        }

        return new SessionPage([.. views], rest.Count > limit ? CursorOf(rest[limit - 1]) : null);
    }

    private async Task<List<SessionReference>> ReferencesAsync(string owner)
    {
        try
        {
            var references = new List<SessionReference>();
            await foreach (var reference in store.ListSessionsAsync(new StateOwner(owner)))
            {
                references.Add(reference);
            }

            return references;
        }
        catch (StoreException fault)
        {
            throw new ClusterException(FailureCode.StoreUnavailable, $"The sessions cannot be listed now. {fault.Message}", retryAfter: TimeSpan.FromSeconds(1), inner: fault);
        }
    }

    /// <summary>A session whose newest turn is damaged stands in the list all the same, without its figures: asking for it says what is wrong.</summary>
    private async ValueTask<TurnRecord?> HeadOrNoneAsync(SessionReference reference)
    {
        try
        {
            return reference.Head is { } id ? await store.GetTurnAsync(id) : null;
        }
        catch (DamagedRecordException)
        {
            return null; // the store has counted it
        }
    }

    private static bool IsAfter(SessionReference reference, (long Ticks, string Id) seen) =>
        reference.UpdatedAt.UtcTicks < seen.Ticks
        || (reference.UpdatedAt.UtcTicks == seen.Ticks && string.CompareOrdinal(reference.Id, seen.Id) > 0);

    private static string CursorOf(SessionReference reference) => $"{reference.UpdatedAt.UtcTicks:x}~{reference.Id}";

    private static (long Ticks, string Id) Parse(string after)
    {
        var split = after.IndexOf('~', StringComparison.Ordinal);
        return split > 0 && long.TryParse(after.AsSpan(0, split), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var ticks)
            ? (ticks, after[(split + 1)..])
            : throw new ClusterException(FailureCode.InvalidRequest, $"'{after}' is no place in a list of sessions. Pass the 'next' of the page before.", "after");
    }
}
