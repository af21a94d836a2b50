using Microsoft.Extensions.Logging;

namespace Loire.Store;

/// <summary>The store in a directory on disk: no server to install, one process at a time.</summary>
public sealed class DirectoryStore(DirectoryStoreOptions options, TimeProvider time, ILogger<DirectoryStore> logger) : ICheckpointStore
{
    public DirectoryStoreOptions Options { get; } = options;

    public StoreUsage Usage => throw Unfinished();

    public ValueTask<IReadOnlyList<BlobReference>> PutBlobsAsync(IReadOnlyList<BlobContent> blobs, CancellationToken cancellationToken = default) => throw Unfinished();

    public ValueTask ReadBlobsAsync(IReadOnlyList<BlobDestination> blobs, CancellationToken cancellationToken = default) => throw Unfinished();

    public ValueTask PutCheckpointAsync(CheckpointManifest manifest, CancellationToken cancellationToken = default) => throw Unfinished();

    public ValueTask<CheckpointManifest?> GetCheckpointAsync(Digest address, CancellationToken cancellationToken = default) => throw Unfinished();

    public ValueTask DiscardCheckpointAsync(Digest address, CancellationToken cancellationToken = default) => throw Unfinished();

    public ValueTask<CheckpointManifest?> FindLongestPrefixAsync(PrefixDigests prefix, int maxTokens, CancellationToken cancellationToken = default) => throw Unfinished();

    public ValueTask PutTurnAsync(TurnRecord turn, CancellationToken cancellationToken = default) => throw Unfinished();

    public ValueTask<TurnRecord?> GetTurnAsync(Digest id, CancellationToken cancellationToken = default) => throw Unfinished();

    public ValueTask<SessionReference?> GetSessionAsync(StateOwner owner, string id, CancellationToken cancellationToken = default) => throw Unfinished();

    public ValueTask<bool> TrySwapSessionAsync(SessionReference next, long expectedEpoch, CancellationToken cancellationToken = default) => throw Unfinished();

    public IAsyncEnumerable<SessionReference> ListSessionsAsync(StateOwner owner, CancellationToken cancellationToken = default) => throw Unfinished();

    public ValueTask<bool> DeleteSessionAsync(StateOwner owner, string id, long expectedEpoch, CancellationToken cancellationToken = default) => throw Unfinished();

    public ValueTask<SweepReport> SweepAsync(CancellationToken cancellationToken = default) => throw Unfinished();

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    private NotSupportedException Unfinished() => new($"{logger} {time}");
}
