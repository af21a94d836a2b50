using Microsoft.Extensions.Logging;
using StackExchange.Redis;

namespace Loire.Store.Redis;

/// <summary>What the parts of the store share: names, connections, counters, clock.</summary>
internal sealed partial class RedisContext : IAsyncDisposable
{
    /// <summary>Damaged values kept to be looked at. Beyond, the oldest goes.</summary>
    private const int MostAside = 64;

    /// <summary>An answer that is older than this is of a server whose clock was set back, not one that was overtaken.</summary>
    private const long ClockStepMicroseconds = 10_000_000;

    private static readonly TimeSpan LeastAside = TimeSpan.FromMinutes(10);

    private readonly Lock _counting = new();
    private long _asOf;
    private long _bytes;

    public RedisContext(RedisStoreOptions options, TimeProvider time, ILogger logger)
    {
        (Options, Time, Logger) = (options, time, logger);
        Keys = new RedisKeys(options.Cluster);
        Counters = new StoreCounters(() => Bytes);
        Control = new RedisLink(options, "loire-store", logger);
        Bulk = new RedisLink(options, "loire-store-blobs", logger);
    }

    public RedisStoreOptions Options { get; }

    public TimeProvider Time { get; }

    public ILogger Logger { get; }

    public RedisKeys Keys { get; }

    public StoreCounters Counters { get; }

    /// <summary>For what is small and waited for: turns, references, manifests, lookups, the sweep.</summary>
    public RedisLink Control { get; }

    /// <summary>For blobs, so that a commit never queues behind them.</summary>
    public RedisLink Bulk { get; }

    public long Bytes => Interlocked.Read(ref _bytes);

    /// <summary>Now, as the indexes keep it.</summary>
    public long Now => Time.GetUtcNow().ToUnixTimeMilliseconds();

    /// <summary>No use since before this: the time to live has passed.</summary>
    public long Expiry => Now - (long)Options.TimeToLive.TotalMilliseconds;

    /// <summary>Runs a script over the connection for small things, and counts a refusal.</summary>
    public Task<RedisResult> RunAsync(string tried, RedisScript script, params RedisValue[] values) => RunAsync(Control, tried, script, values);

    public Task<RedisResult> RunAsync(RedisLink link, string tried, RedisScript script, params RedisValue[] values)
    {
        RedisKey[] keys = [Keys.Prefix];
        return AskAsync(link, tried, database => database.ScriptEvaluateAsync(script.Hash, keys, values));
    }

    public async Task<T> AskAsync<T>(RedisLink link, string tried, Func<IDatabase, Task<T>> ask)
    {
        try
        {
            return await link.AskAsync(tried, ask);
        }
        catch (StoreFullException)
        {
            Counters.Add(StoreCount.FullRefusals);
            throw;
        }
    }

    /// <summary>Takes in what a script's answer says of the store as a whole.</summary>
    public void Learn(RedisResult counts)
    {
        var values = counts.Numbers();
        lock (_counting)
        {
            if (values[0] < _asOf && _asOf - values[0] < ClockStepMicroseconds)
            {
                return;
            }

            _asOf = values[0];
            Interlocked.Exchange(ref _bytes, values[1]);
            Counters.Set(StoreCount.Blobs, values[2]);
            Counters.Set(StoreCount.Checkpoints, values[3]);
            Counters.Set(StoreCount.Turns, values[4]);
            Counters.Set(StoreCount.Sessions, values[5]);
        }
    }

    public async Task RefreshAsync() => Learn(await RunAsync("count what is stored", RedisScript.Stats));

    /// <summary>Takes a damaged value out of the way if it is still the one that was seen, so that a sound one can take its place.</summary>
    /// <param name="kind">First letter of its key.</param>
    /// <param name="index">Its index.</param>
    /// <param name="id">Its address.</param>
    /// <param name="seen">Fingerprint of what was seen; empty for a value of another type.</param>
    /// <param name="found">What is wrong with it.</param>
    public async Task PutAsideAsync(string kind, string index, Digest id, string seen, string found)
    {
        var name = $"{kind}:{id}:{Guid.NewGuid():n}";
        var keep = (long)Math.Max(Options.TimeToLive.TotalMilliseconds, LeastAside.TotalMilliseconds);
        var answer = (await RunAsync(
            $"put aside {kind}:{id}", RedisScript.Aside, kind, index, id.ToString(), seen, name, keep, MostAside)).Parts();
        Learn(answer[1]);
        if ((long)answer[0] == 1)
        {
            Counters.Add(StoreCount.Damaged);
            LogDamaged(Logger, $"{Keys.Prefix}{kind}:{id}", found, $"{Keys.Prefix}q:{name}");
        }
    }

    /// <param name="address">Its address.</param>
    /// <param name="head">Its first bytes as they were seen; null for a value of another type.</param>
    /// <param name="fault">What is wrong with it.</param>
    public Task PutBlobAsideAsync(Digest address, byte[]? head, BlobFault fault) =>
        PutAsideAsync("b", RedisKeys.Blobs, address, head is null ? "" : BlobValue.FingerprintOf(head), fault.Found);

    public async ValueTask DisposeAsync()
    {
        await Control.DisposeAsync();
        await Bulk.DisposeAsync();
        Counters.Dispose();
    }

    [LoggerMessage(Level = LogLevel.Error, Message = "Damaged: '{Path}': {Found}. Put aside as '{Target}'.")]
    private static partial void LogDamaged(ILogger logger, string path, string found, string target);
}
