namespace Loire.Store;

/// <summary>Model state, turns and session references, kept beyond the process. One contract for every store.</summary>
/// <remarks>
/// Safe for concurrent use. What a method has acknowledged, it keeps: turns and references at once and through a power cut, blobs and
/// checkpoints as the store's options say (losing one costs computation, never a turn).
/// </remarks>
public interface ICheckpointStore : IAsyncDisposable
{
    StoreUsage Usage { get; }

    /// <summary>Stores each blob unless its address has one already; the time to live of what is there starts again.</summary>
    /// <returns>References of what <em>is</em> stored, in the order given: another writer's bytes, where they came first.</returns>
    /// <exception cref="StoreFullException">Nothing half-written remains; blobs before the failing one may be stored.</exception>
    /// <exception cref="BlobConflictException">The address has a blob of another length.</exception>
    ValueTask<IReadOnlyList<BlobReference>> PutBlobsAsync(IReadOnlyList<BlobContent> blobs, CancellationToken cancellationToken = default);

    /// <summary>Reads blobs straight into the caller's memory and verifies each. On failure the memory holds anything.</summary>
    /// <exception cref="DamagedBlobException">
    /// Missing, damaged, or replaced by another writer's bytes. A damaged file has been put aside, so that the blob can be written anew.
    /// </exception>
    ValueTask ReadBlobsAsync(IReadOnlyList<BlobDestination> blobs, CancellationToken cancellationToken = default);

    /// <summary>Stores a manifest, in place of an older one at the same address. Every blob that it lists is stored already.</summary>
    /// <exception cref="MissingStateException">A listed blob is not stored; put it again, then the manifest.</exception>
    /// <exception cref="StoreFullException"/>
    ValueTask PutCheckpointAsync(CheckpointManifest manifest, CancellationToken cancellationToken = default);

    /// <returns>Null when there is none. Its time to live starts again.</returns>
    /// <exception cref="DamagedRecordException">The manifest is damaged and has been put aside.</exception>
    ValueTask<CheckpointManifest?> GetCheckpointAsync(Digest address, CancellationToken cancellationToken = default);

    /// <summary>Forgets a checkpoint whose blobs turned out damaged, so that no lookup finds it again. Its blobs stay.</summary>
    ValueTask DiscardCheckpointAsync(Digest address, CancellationToken cancellationToken = default);

    /// <summary>The checkpoint after the longest prefix of these tokens, of at most <paramref name="maxTokens"/> tokens.</summary>
    /// <param name="prefix">Nobody appends to it or truncates it before the call returns.</param>
    /// <param name="maxTokens">Longest prefix of use to the caller.</param>
    /// <param name="cancellationToken">Heeded between pages.</param>
    /// <returns>Null when there is none. Damaged manifests are put aside and passed over.</returns>
    /// <remarks>
    /// After a <see cref="DamagedBlobException"/> on a page, look again with <paramref name="maxTokens"/> at that page's start: every
    /// checkpoint beyond needs the same page.
    /// </remarks>
    ValueTask<CheckpointManifest?> FindLongestPrefixAsync(PrefixDigests prefix, int maxTokens, CancellationToken cancellationToken = default);

    /// <summary>Records a sealed turn, durably. Recording it again changes nothing.</summary>
    /// <exception cref="MissingStateException">Its parent is not stored.</exception>
    /// <exception cref="StoreFullException"/>
    ValueTask PutTurnAsync(TurnRecord turn, CancellationToken cancellationToken = default);

    /// <returns>Null when there is none.</returns>
    /// <exception cref="DamagedRecordException">Names the file and the field.</exception>
    ValueTask<TurnRecord?> GetTurnAsync(Digest id, CancellationToken cancellationToken = default);

    /// <exception cref="DamagedRecordException">Names the file and the field.</exception>
    ValueTask<SessionReference?> GetSessionAsync(StateOwner owner, string id, CancellationToken cancellationToken = default);

    /// <summary>Moves a session to <paramref name="next"/> if its epoch is still <paramref name="expectedEpoch"/> (0: there is no such session), durably.</summary>
    /// <param name="next">With an epoch above the expected one, and a head that is stored.</param>
    /// <param name="expectedEpoch">The epoch that the caller last saw.</param>
    /// <param name="cancellationToken">Heeded before the swap begins, not after.</param>
    /// <returns>False when somebody else has moved it: read it again; whoever owned it before owns it no more.</returns>
    /// <exception cref="MissingStateException">The head is not stored.</exception>
    /// <exception cref="StoreFullException"/>
    ValueTask<bool> TrySwapSessionAsync(SessionReference next, long expectedEpoch, CancellationToken cancellationToken = default);

    /// <summary>The owner's sessions in no order; damaged ones are reported and left out.</summary>
    IAsyncEnumerable<SessionReference> ListSessionsAsync(StateOwner owner, CancellationToken cancellationToken = default);

    /// <summary>Forgets a session if its epoch is still <paramref name="expectedEpoch"/>. Its turns and state go with a later sweep.</summary>
    ValueTask<bool> DeleteSessionAsync(StateOwner owner, string id, long expectedEpoch, CancellationToken cancellationToken = default);

    /// <summary>Deletes what no session reaches and whose time to live has passed. Writers go on meanwhile.</summary>
    ValueTask<SweepReport> SweepAsync(CancellationToken cancellationToken = default);
}
