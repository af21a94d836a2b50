using Loire.Engine.Replica;
using Loire.Store;

namespace Loire.Silo.Replicas;

/// <summary>Where the state of a prompt's beginning comes from: the device, the store, or nowhere.</summary>
/// <param name="Resident">On the device, if there is one.</param>
/// <param name="Stored">In the store: the choice itself, or what is left if the resident state has been evicted meanwhile.</param>
/// <param name="Warning">Why the head's own state is not it, where something is wrong with that.</param>
internal sealed record StartChoice(ResidentState? Resident, RestoredState? Stored, string? Warning = null)
{
    /// <summary>Full pages of the state that the engine did start from, as the store has them.</summary>
    public IReadOnlyList<BlobReference> PagesAfter(SequenceStart start) =>
        start.FromDevice ? Resident?.Pages ?? []
        : start.CachedTokens > 0 ? Stored?.Pages ?? []
        : [];
}

/// <summary>Chooses: the resident state of the session's head, else the longest state that is on the device or in the store.</summary>
/// <remarks>Always of a proper prefix: a step has to compute at least one token to have something to sample from.</remarks>
internal sealed class StartChooser(ICheckpointStore store, CheckpointReader reader, ResidentStates residents)
{
    /// <param name="prefix">Digests of the whole prompt.</param>
    /// <param name="head">Address of the head's checkpoint, if the session has one.</param>
    /// <param name="cancellationToken">Gives up.</param>
    public async ValueTask<StartChoice> ChooseAsync(PrefixDigests prefix, Digest? head, CancellationToken cancellationToken)
    {
        var most = prefix.TokenCount - 1;
        var resident = residents.FindLongest(prefix, most);
        if (resident is not null && (resident.Address == head || resident.Tokens == most)) // the store has none that is longer
        {
            return Of(resident, prefix);
        }

        var stored = most > 0 ? await store.FindLongestPrefixAsync(prefix, most, cancellationToken) : null;
        if (resident is not null && resident.Tokens >= (stored?.TokenCount ?? 0))
        {
            return Of(resident, prefix);
        }

        return new StartChoice(
            null, stored is null ? null : reader.Open(stored.Address, stored.TokenCount, prefix, stored), await WarningOfAsync(head, stored, cancellationToken));
    }

    /// <summary>The head's checkpoint is a prefix of the prompt: if it is not found, it is not there or not sound.</summary>
    private async ValueTask<string?> WarningOfAsync(Digest? head, CheckpointManifest? found, CancellationToken cancellationToken)
    {
        if (head is not { } address || found?.Address == address || await IsSoundAsync(address, cancellationToken))
        {
            return null;
        }

        return found is null
            ? "The session's stored state is lost or damaged, and is computed anew."
            : $"The session's stored state is lost or damaged; that of its first {found.TokenCount} tokens was found, and the rest is computed anew.";
    }

    private async ValueTask<bool> IsSoundAsync(Digest address, CancellationToken cancellationToken)
    {
        try
        {
            return await store.GetCheckpointAsync(address, cancellationToken) is not null;
        }
        catch (StoreException)
        {
            return false; // the store has logged it
        }
    }

    private StartChoice Of(ResidentState resident, PrefixDigests prefix) =>
        new(resident, reader.Open(resident.Address, resident.Tokens, prefix, found: null));
}
