using Loire.Store;

namespace Loire.Host.Tests;

/// <summary>A store whose operations can be made to fail or wait.</summary>
internal sealed class FaultyStore(ICheckpointStore inner) : ICheckpointStore
{
    /// <summary>Called with the operation's name before it is passed on.</summary>
    public Func<string, Task> Before { get; set; } = _ => Task.CompletedTask;

    public List<BlobReference> Put { get; } = [];

    /// <summary>Completes when the first checkpoint is stored.</summary>
    public TaskCompletionSource CheckpointStored { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public StoreUsage Usage => inner.Usage;

    /// <summary>Every write says that the store is full.</summary>
    public void Fill(params string[] operations) => Before = name => operations.Contains(name)
        ? Task.FromException(new StoreFullException("The disk is full: 0 bytes are free. Make room."))
        : Task.CompletedTask;

    public void Heal() => Before = _ => Task.CompletedTask;

    public async ValueTask<IReadOnlyList<BlobReference>> PutBlobsAsync(IReadOnlyList<BlobContent> blobs, CancellationToken cancellationToken = default)
    {
        await Before(nameof(PutBlobsAsync));
        var references = await inner.PutBlobsAsync(blobs, cancellationToken);
        lock (Put)
        {
            Put.AddRange(references);
        }

        return references;
    }

    public async ValueTask ReadBlobsAsync(IReadOnlyList<BlobDestination> blobs, CancellationToken cancellationToken = default)
    {
        await Before(nameof(ReadBlobsAsync));
        await inner.ReadBlobsAsync(blobs, cancellationToken);
    }

    public async ValueTask PutCheckpointAsync(CheckpointManifest manifest, CancellationToken cancellationToken = default)
    {
        await Before(nameof(PutCheckpointAsync));
        await inner.PutCheckpointAsync(manifest, cancellationToken);
        CheckpointStored.TrySetResult();
    }

    public ValueTask<CheckpointManifest?> GetCheckpointAsync(Digest address, CancellationToken cancellationToken = default) => inner.GetCheckpointAsync(address, cancellationToken);

    public ValueTask DiscardCheckpointAsync(Digest address, CancellationToken cancellationToken = default) => inner.DiscardCheckpointAsync(address, cancellationToken);

    public ValueTask<CheckpointManifest?> FindLongestPrefixAsync(PrefixDigests prefix, int maxTokens, CancellationToken cancellationToken = default) =>
        inner.FindLongestPrefixAsync(prefix, maxTokens, cancellationToken);

    public async ValueTask PutTurnAsync(TurnRecord turn, CancellationToken cancellationToken = default)
    {
        await Before(nameof(PutTurnAsync));
        await inner.PutTurnAsync(turn, cancellationToken);
    }

    public ValueTask<TurnRecord?> GetTurnAsync(Digest id, CancellationToken cancellationToken = default) => inner.GetTurnAsync(id, cancellationToken);

    public ValueTask<SessionReference?> GetSessionAsync(StateOwner owner, string id, CancellationToken cancellationToken = default) =>
        inner.GetSessionAsync(owner, id, cancellationToken);

    public async ValueTask<bool> TrySwapSessionAsync(SessionReference next, long expectedEpoch, CancellationToken cancellationToken = default)
    {
        await Before(nameof(TrySwapSessionAsync));
        return await inner.TrySwapSessionAsync(next, expectedEpoch, cancellationToken);
    }

    public IAsyncEnumerable<SessionReference> ListSessionsAsync(StateOwner owner, CancellationToken cancellationToken = default) =>
        inner.ListSessionsAsync(owner, cancellationToken);

    public ValueTask<bool> DeleteSessionAsync(StateOwner owner, string id, long expectedEpoch, CancellationToken cancellationToken = default) =>
        inner.DeleteSessionAsync(owner, id, expectedEpoch, cancellationToken);

    public ValueTask<SweepReport> SweepAsync(CancellationToken cancellationToken = default) => inner.SweepAsync(cancellationToken);

    public ValueTask DisposeAsync() => inner.DisposeAsync();
}
