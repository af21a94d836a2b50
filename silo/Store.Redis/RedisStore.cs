using System.ComponentModel.DataAnnotations;
using Microsoft.Extensions.Logging;

namespace Loire.Store.Redis;

/// <summary>The store in Redis: any number of silos on one.</summary>
/// <remarks>
/// The parts: <see cref="RedisBlobWriter"/>, <see cref="RedisBlobReader"/>, <see cref="RedisCheckpoints"/>, <see cref="RedisTurns"/>, <see cref="RedisSessions"/>,
/// <see cref="RedisSweep"/>; what they share is <see cref="RedisContext"/>. Keys, scripts and the life of a blob are in README.md.
/// Every call ends within a bounded time: done, or with a <see cref="StoreException"/> that says whether Redis is full, slow or gone.
/// </remarks>
public sealed class RedisStore : ICheckpointStore
{
    private readonly RedisContext _context;
    private readonly RedisBlobWriter _writer;
    private readonly RedisBlobReader _reader;
    private readonly RedisCheckpoints _checkpoints;
    private readonly RedisTurns _turns;
    private readonly RedisSessions _sessions;
    private readonly RedisProbe _probe;
    private readonly SemaphoreSlim _sweeping = new(1, 1);

    /// <summary>Begins to connect, and does not wait for it: <see cref="CheckAsync"/> does.</summary>
    /// <exception cref="ValidationException">An option is out of range; names it.</exception>
    public RedisStore(RedisStoreOptions options, TimeProvider time, ILogger<RedisStore> logger)
    {
        Validator.ValidateObject(options, new ValidationContext(options), validateAllProperties: true);
        _context = new RedisContext(options, time, logger);
        var replicas = new ReplicaWait(_context);
        var room = new BlobRoom(_context);
        _writer = new RedisBlobWriter(_context, room);
        _reader = new RedisBlobReader(_context, room);
        _checkpoints = new RedisCheckpoints(_context);
        _turns = new RedisTurns(_context, replicas);
        _sessions = new RedisSessions(_context, replicas);
        _probe = new RedisProbe(_context);
    }

    public RedisStoreOptions Options => _context.Options;

    /// <summary>What is held is as of this process's last call; what happened is this process's own.</summary>
    public StoreUsage Usage => new()
    {
        Bytes = _context.Bytes,
        MaxBytes = Options.MaxBytes,
        Blobs = _context.Counters[StoreCount.Blobs],
        Checkpoints = _context.Counters[StoreCount.Checkpoints],
        Turns = _context.Counters[StoreCount.Turns],
        Sessions = _context.Counters[StoreCount.Sessions],
        BlobsWritten = _context.Counters[StoreCount.BlobsWritten],
        BlobsShared = _context.Counters[StoreCount.BlobsShared],
        BlobsRead = _context.Counters[StoreCount.BlobsRead],
        PrefixHits = _context.Counters[StoreCount.PrefixHits],
        PrefixMisses = _context.Counters[StoreCount.PrefixMisses],
        Damaged = _context.Counters[StoreCount.Damaged],
        StaleCommits = _context.Counters[StoreCount.StaleCommits],
        FullRefusals = _context.Counters[StoreCount.FullRefusals],
    };

    internal RedisContext Context => _context;

    /// <summary>For tests: runs within a sweep, between its look at the things of a kind and their deletion.</summary>
    internal Func<StoreCount, Task>? SweepLookedAt { get; set; }

    /// <summary>Waits for the connection and refuses a server that would lose what it is given. Counts what is stored.</summary>
    /// <exception cref="StoreException">Redis cannot be reached, or may not be used so; says what to change.</exception>
    public async Task CheckAsync(CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        await _probe.CheckAsync();
        await _context.RefreshAsync();
    }

    /// <summary>One round trip: whether Redis answers, how fast, and how full it is. Never throws for Redis' sake.</summary>
    public Task<RedisHealth> GetHealthAsync(CancellationToken cancellationToken = default) => _probe.GetHealthAsync(cancellationToken);

    public async ValueTask<IReadOnlyList<BlobReference>> PutBlobsAsync(
        IReadOnlyList<BlobContent> blobs, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        return await _writer.PutAsync(blobs, cancellationToken);
    }

    public async ValueTask ReadBlobsAsync(IReadOnlyList<BlobDestination> blobs, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        await _reader.ReadAsync(blobs, cancellationToken);
    }

    public async ValueTask PutCheckpointAsync(CheckpointManifest manifest, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        await _checkpoints.PutAsync(manifest);
    }

    public async ValueTask<CheckpointManifest?> GetCheckpointAsync(Digest address, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        return await _checkpoints.GetAsync(address);
    }

    public async ValueTask DiscardCheckpointAsync(Digest address, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        await _checkpoints.DiscardAsync(address);
    }

    public async ValueTask<CheckpointManifest?> FindLongestPrefixAsync(
        PrefixDigests prefix, int maxTokens, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        return await _checkpoints.FindLongestPrefixAsync(prefix, maxTokens, cancellationToken);
    }

    public async ValueTask PutTurnAsync(TurnRecord turn, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        await _turns.PutAsync(turn);
    }

    public async ValueTask<TurnRecord?> GetTurnAsync(Digest id, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        return await _turns.GetAsync(id);
    }

    public async ValueTask<SessionReference?> GetSessionAsync(StateOwner owner, string id, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        return await _sessions.GetAsync(owner, id);
    }

    public async ValueTask<bool> TrySwapSessionAsync(SessionReference next, long expectedEpoch, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        return await _sessions.TrySwapAsync(next, expectedEpoch);
    }

    /// <summary>Newest first.</summary>
    public IAsyncEnumerable<SessionReference> ListSessionsAsync(StateOwner owner, CancellationToken cancellationToken = default) =>
        _sessions.ListAsync(owner, cancellationToken);

    public async ValueTask<bool> DeleteSessionAsync(StateOwner owner, string id, long expectedEpoch, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        return await _sessions.DeleteAsync(owner, id, expectedEpoch);
    }

    /// <summary>Deletes what no session reaches and whose time to live has passed. Of all silos one sweeps; the others' reports are empty.</summary>
    public async ValueTask<SweepReport> SweepAsync(CancellationToken cancellationToken = default)
    {
        await _sweeping.WaitAsync(cancellationToken);
        try
        {
            return await new RedisSweep(_context, SweepLookedAt).RunAsync(cancellationToken);
        }
        finally
        {
            _sweeping.Release();
        }
    }

    public async ValueTask DisposeAsync() => await _context.DisposeAsync();
}
