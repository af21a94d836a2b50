using System.Diagnostics.Metrics;

namespace Loire.Store;

/// <summary>What happens to a store, counted once: read by <see cref="StoreUsage"/> and by the meter <c>Loire.Store</c>.</summary>
internal sealed class StoreCounters : IDisposable
{
    public const string MeterName = "Loire.Store";

    private readonly Meter _meter = new(MeterName);
    private readonly long[] _values = new long[Enum.GetValues<StoreCount>().Length];

    /// <param name="bytes">Reads how many bytes the store holds.</param>
    public StoreCounters(Func<long> bytes)
    {
        _meter.CreateObservableGauge("loire.store.bytes", bytes, "By", "Bytes that the store holds.");
        Held(StoreCount.Blobs, "loire.store.blobs", "Blobs stored.");
        Held(StoreCount.Checkpoints, "loire.store.checkpoints", "Checkpoints stored.");
        Held(StoreCount.Turns, "loire.store.turns", "Turns stored.");
        Held(StoreCount.Sessions, "loire.store.sessions", "Sessions stored.");
        Counted(StoreCount.BlobsWritten, "loire.store.blobs.written", "Blobs written.");
        Counted(StoreCount.BlobsShared, "loire.store.blobs.shared", "Blobs that a writer found stored already.");
        Counted(StoreCount.BlobsRead, "loire.store.blobs.read", "Blobs read and verified.");
        Counted(StoreCount.PrefixHits, "loire.store.prefix.hits", "Prefix lookups that found a checkpoint.");
        Counted(StoreCount.PrefixMisses, "loire.store.prefix.misses", "Prefix lookups that found none.");
        Counted(StoreCount.Damaged, "loire.store.damaged", "Files or keys found damaged.");
        Counted(StoreCount.StaleCommits, "loire.store.commits.stale", "Session moves refused since their epoch was old.");
        Counted(StoreCount.FullRefusals, "loire.store.full", "Writes refused since the store was full.");
    }

    public long this[StoreCount count] => Interlocked.Read(ref _values[(int)count]);

    public void Add(StoreCount count, long by = 1) => Interlocked.Add(ref _values[(int)count], by);

    /// <summary>For what is counted elsewhere and known here as of the last look.</summary>
    public void Set(StoreCount count, long value) => Interlocked.Exchange(ref _values[(int)count], value);

    public void Dispose() => _meter.Dispose();

    private void Held(StoreCount count, string name, string description) =>
        _meter.CreateObservableGauge(name, () => this[count], unit: null, description);

    private void Counted(StoreCount count, string name, string description) =>
        _meter.CreateObservableCounter(name, () => this[count], unit: null, description);
}

internal enum StoreCount
{
    /// <summary>What nobody counts.</summary>
    None,
    Blobs,
    Checkpoints,
    Turns,
    Sessions,
    BlobsWritten,
    BlobsShared,
    BlobsRead,
    PrefixHits,
    PrefixMisses,
    Damaged,
    StaleCommits,
    FullRefusals,
}
