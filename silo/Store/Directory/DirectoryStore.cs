using System.ComponentModel.DataAnnotations;
using System.Runtime.CompilerServices;
using System.Runtime.ExceptionServices;
using Microsoft.Extensions.Logging;

namespace Loire.Store;

/// <summary>The store in a directory on disk: no server to install, one process at a time.</summary>
/// <remarks>
/// Every call runs on the thread pool, so that no caller waits for a disk on its own thread.
/// The parts: <see cref="BlobFiles"/>, <see cref="CheckpointFiles"/>, <see cref="TurnFiles"/>, <see cref="SessionFiles"/>,
/// <see cref="DirectorySweep"/>; what they share is <see cref="StoreFiles"/>, and the layout is in <see cref="StorePaths"/>.
/// </remarks>
public sealed class DirectoryStore : ICheckpointStore
{
    /// <summary>Blobs below this many are not worth a second thread.</summary>
    private const int BlobsPerWorker = 8;

    /// <summary>Session references read at once while listing.</summary>
    private const int ListBatch = 64;

    private readonly StoreFiles _files;
    private readonly StoreLock _lock;
    private readonly BlobFiles _blobs;
    private readonly CheckpointFiles _checkpoints;
    private readonly TurnFiles _turns;
    private readonly SessionFiles _sessions;
    private readonly SemaphoreSlim _sweeping = new(1, 1);

    /// <exception cref="ValidationException">An option is out of range; names it.</exception>
    /// <exception cref="StoreInUseException">Another process has it open.</exception>
    /// <exception cref="DamagedRecordException">The directory is not a store, or one of another version.</exception>
    public DirectoryStore(DirectoryStoreOptions options, TimeProvider time, ILogger<DirectoryStore> logger)
    {
        Validator.ValidateObject(options, new ValidationContext(options), validateAllProperties: true);
        _files = new StoreFiles(options, time, logger);
        try
        {
            _lock = StoreFormat.Open(_files);
        }
        catch
        {
            _files.Dispose();
            throw;
        }

        _blobs = new BlobFiles(_files);
        _checkpoints = new CheckpointFiles(_files, _blobs);
        _turns = new TurnFiles(_files);
        _sessions = new SessionFiles(_files, _turns);
    }

    public DirectoryStoreOptions Options => _files.Options;

    public StoreUsage Usage => new()
    {
        Bytes = _files.Budget.Bytes,
        MaxBytes = _files.Budget.MaxBytes,
        Blobs = _files.Counters[StoreCount.Blobs],
        Checkpoints = _files.Counters[StoreCount.Checkpoints],
        Turns = _files.Counters[StoreCount.Turns],
        Sessions = _files.Counters[StoreCount.Sessions],
        BlobsWritten = _files.Counters[StoreCount.BlobsWritten],
        BlobsShared = _files.Counters[StoreCount.BlobsShared],
        BlobsRead = _files.Counters[StoreCount.BlobsRead],
        PrefixHits = _files.Counters[StoreCount.PrefixHits],
        PrefixMisses = _files.Counters[StoreCount.PrefixMisses],
        Damaged = _files.Counters[StoreCount.Damaged],
        StaleCommits = _files.Counters[StoreCount.StaleCommits],
        FullRefusals = _files.Counters[StoreCount.FullRefusals],
    };

    internal StorePaths Paths => _files.Paths;

    /// <summary>For tests: runs within a sweep, between its look at the files of a kind and their deletion.</summary>
    internal Action<StoreCount>? SweepLookedAt { get; set; }

    public async ValueTask<IReadOnlyList<BlobReference>> PutBlobsAsync(
        IReadOnlyList<BlobContent> blobs, CancellationToken cancellationToken = default)
    {
        var references = new BlobReference[blobs.Count];
        await ForEachAsync(blobs.Count, i => references[i] = _blobs.Put(blobs[i]), cancellationToken);
        return references;
    }

    public ValueTask ReadBlobsAsync(IReadOnlyList<BlobDestination> blobs, CancellationToken cancellationToken = default) =>
        ForEachAsync(blobs.Count, i => _blobs.Read(blobs[i].Reference, blobs[i].Content.Span), cancellationToken);

    public ValueTask PutCheckpointAsync(CheckpointManifest manifest, CancellationToken cancellationToken = default) =>
        new(Task.Run(() => _checkpoints.Put(manifest), cancellationToken));

    public ValueTask<CheckpointManifest?> GetCheckpointAsync(Digest address, CancellationToken cancellationToken = default) =>
        new(Task.Run(() => _checkpoints.Get(address), cancellationToken));

    public ValueTask DiscardCheckpointAsync(Digest address, CancellationToken cancellationToken = default) =>
        new(Task.Run(() => _checkpoints.Discard(address), cancellationToken));

    public ValueTask<CheckpointManifest?> FindLongestPrefixAsync(
        PrefixDigests prefix, int maxTokens, CancellationToken cancellationToken = default) =>
        new(Task.Run(() => _checkpoints.FindLongestPrefix(prefix, maxTokens, cancellationToken), cancellationToken));

    public ValueTask PutTurnAsync(TurnRecord turn, CancellationToken cancellationToken = default) =>
        new(Task.Run(() => _turns.Put(turn), cancellationToken));

    public ValueTask<TurnRecord?> GetTurnAsync(Digest id, CancellationToken cancellationToken = default) =>
        new(Task.Run(() => _turns.Get(id), cancellationToken));

    public ValueTask<SessionReference?> GetSessionAsync(StateOwner owner, string id, CancellationToken cancellationToken = default) =>
        new(Task.Run(() => _sessions.Get(owner, id), cancellationToken));

    public ValueTask<bool> TrySwapSessionAsync(SessionReference next, long expectedEpoch, CancellationToken cancellationToken = default) =>
        new(Task.Run(() => _sessions.TrySwap(next, expectedEpoch), cancellationToken));

    public async IAsyncEnumerable<SessionReference> ListSessionsAsync(
        StateOwner owner, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        var paths = await Task.Run(() => _sessions.PathsOf(owner), cancellationToken);
        foreach (var batch in paths.Chunk(ListBatch))
        {
            var read = await Task.Run(() => batch.Select(path => _sessions.TryLoad(path, owner)).ToList(), cancellationToken);
            foreach (var session in read.OfType<SessionReference>())
            {
                yield return session;
            }
        }
    }

    public ValueTask<bool> DeleteSessionAsync(StateOwner owner, string id, long expectedEpoch, CancellationToken cancellationToken = default) =>
        new(Task.Run(() => _sessions.Delete(owner, id, expectedEpoch), cancellationToken));

    public async ValueTask<SweepReport> SweepAsync(CancellationToken cancellationToken = default)
    {
        await _sweeping.WaitAsync(cancellationToken);
        try
        {
            return await Task.Run(() => new DirectorySweep(_files, _sessions, SweepLookedAt).Run(cancellationToken), cancellationToken);
        }
        finally
        {
            _sweeping.Release();
        }
    }

    /// <summary>Waits for writes under way, then lets another process open the directory.</summary>
    public async ValueTask DisposeAsync()
    {
        await Task.Run(_files.Dispose);
        _lock.Dispose();
    }

    /// <summary>Does all, in order, on as many threads as are worth while. After a failure no new one begins; the failure of the lowest index is thrown.</summary>
    private async ValueTask ForEachAsync(int count, Action<int> action, CancellationToken cancellationToken)
    {
        var next = -1;
        var failed = new SortedDictionary<int, ExceptionDispatchInfo>();
        var workers = Math.Clamp(count / BlobsPerWorker, 1, Options.Workers);
        await Task.WhenAll(Enumerable.Range(0, workers).Select(_ => Task.Run(Work, cancellationToken)));
        failed.Values.FirstOrDefault()?.Throw();

        void Work()
        {
            while (Volatile.Read(ref next) is var seen && seen < count && Interlocked.Increment(ref next) is var i && i < count)
            {
                try
                {
                    cancellationToken.ThrowIfCancellationRequested();
                    action(i);
                }
                catch (Exception failure)
                {
                    Volatile.Write(ref next, count);
                    lock (failed)
                    {
                        failed[i] = ExceptionDispatchInfo.Capture(failure);
                    }
                }
            }
        }
    }
}
