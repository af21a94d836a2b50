using Loire.Engine.Replica;
using Loire.Engine.State;
using Loire.Store;
using Loire.Telemetry;
using Microsoft.Extensions.Logging;

namespace Loire.Silo.Replicas;

/// <summary>The checkpoints of one running turn: every so many computed tokens, and at its end. Delays no token.</summary>
/// <remarks>
/// At most one snapshot or write is under way. A periodic checkpoint that fails is logged and left to the next one; the last one's failure is the caller's.
/// Its steps advance when the turn reads tokens (<see cref="AdvanceAsync"/>): nothing runs by itself.
/// </remarks>
internal sealed partial class TurnCheckpoints(
    ISequence sequence, PrefixDigests prefix, CheckpointWriter writer, LoireMetrics metrics, int everyTokens, ILogger logger) : IAsyncDisposable
{
    private IReadOnlyList<BlobReference> _pages = [];
    private Task<StateSnapshot>? _snapshot;
    private Task<StoredCheckpoint>? _write;
    private int _covered;

    /// <summary>The newest checkpoint that is stored.</summary>
    public StoredCheckpoint? Newest { get; private set; }

    /// <summary>What was restored counts as covered.</summary>
    public void Begin(int cachedTokens, IReadOnlyList<BlobReference> pages) => (_covered, _pages) = (cachedTokens, pages);

    /// <summary>Takes what is done, and begins what is due. Completes without waiting for the store.</summary>
    /// <returns>A checkpoint that has just been stored.</returns>
    public async ValueTask<StoredCheckpoint?> AdvanceAsync()
    {
        StoredCheckpoint? stored = null;
        if (_write is { IsCompleted: true })
        {
            stored = await TakeWriteAsync();
        }

        if (_snapshot is { IsCompleted: true })
        {
            await BeginWriteAsync();
        }

        if (_snapshot is null && _write is null && prefix.TokenCount - _covered >= everyTokens)
        {
            _covered = prefix.TokenCount;
            _snapshot = SnapshotAsync().AsTask();
        }

        return stored;
    }

    /// <summary>A copy of the final state, to be written by <see cref="WriteFinalAsync"/>; what was under way is finished first.</summary>
    public async ValueTask<StateSnapshot> TakeFinalAsync()
    {
        await SettleAsync(writePending: false);
        return await SnapshotAsync();
    }

    public ValueTask<StateSnapshot> SnapshotAsync() => sequence.SnapshotAsync(KnownPages, CancellationToken.None);

    /// <exception cref="StoreException">It is not stored.</exception>
    public async ValueTask WriteFinalAsync(StateSnapshot snapshot)
    {
        try
        {
            Remember(await writer.WriteAsync(snapshot, prefix.Copy(), _pages));
        }
        catch (StoreException)
        {
            metrics.Checkpoints.Failed();
            throw;
        }
    }

    /// <summary>A page that was believed to be stored is not: the next snapshot has them all.</summary>
    public void ForgetPages() => _pages = [];

    /// <summary>Waits for what is under way.</summary>
    /// <param name="writePending">Whether a snapshot that is taken but not written yet is still worth writing.</param>
    public async ValueTask SettleAsync(bool writePending)
    {
        if (_write is not null)
        {
            await TakeWriteAsync();
        }

        if (writePending)
        {
            await BeginWriteAsync();
        }

        if (_write is not null)
        {
            await TakeWriteAsync();
        }

        await DropSnapshotAsync();
    }

    public ValueTask DisposeAsync() => SettleAsync(writePending: false);

    private int KnownPages => _pages.Count == 0 ? 0 : _pages.Max(page => page.Page) + 1;

    private void Remember(StoredCheckpoint stored)
    {
        Newest = stored;
        _pages = stored.Pages;
    }

    /// <summary>A snapshot may be ahead of the tokens that have been read; it waits until they have.</summary>
    private async ValueTask BeginWriteAsync()
    {
        if (_snapshot is not { } pending)
        {
            return;
        }

        try
        {
            var snapshot = await pending;
            if (snapshot.TokenCount <= prefix.TokenCount)
            {
                _snapshot = null;
                _covered = snapshot.TokenCount;
                _write = writer.WriteAsync(snapshot, prefix.Copy(), _pages);
            }
        }
        catch (Exception fault)
        {
            // The turn learns of an engine that failed from its tokens; here only the copy is missing.
            _snapshot = null;
            LogSkipped(fault.Message);
        }
    }

    private async ValueTask<StoredCheckpoint?> TakeWriteAsync()
    {
        var write = _write!; // callers have looked
        _write = null;
        try
        {
            var stored = await write;
            Remember(stored);
            return stored;
        }
        catch (StoreException fault)
        {
            metrics.Checkpoints.Failed();
            _pages = fault is MissingStateException ? [] : _pages;
            LogSkipped(fault.Message);
            return null;
        }
    }

    private async ValueTask DropSnapshotAsync()
    {
        if (_snapshot is { } pending)
        {
            _snapshot = null;
            try
            {
                (await pending).Dispose();
            }
            catch (Exception fault)
            {
                LogSkipped(fault.Message);
            }
        }
    }

    [LoggerMessage(LogLevel.Warning, "A checkpoint in mid-turn was left out: {Fault}")]
    private partial void LogSkipped(string fault);
}
