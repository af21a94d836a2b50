namespace Loire.Store;

/// <summary>Counts the store's bytes and refuses more than its bound.</summary>
/// <remarks>
/// State is refused at the bound. Turns and references may go a sixteenth above it: a store full of state still records what was said,
/// and a session can still be rewound.
/// </remarks>
internal sealed class StoreBudget(long? maxBytes, string root)
{
    private const int RecordReserveShare = 16;
    private long _bytes;

    public long Bytes => Interlocked.Read(ref _bytes);

    public long? MaxBytes { get; } = maxBytes;

    /// <exception cref="StoreFullException">Nothing has been reserved.</exception>
    public void Reserve(long bytes, bool isRecord)
    {
        var after = Interlocked.Add(ref _bytes, bytes);
        if (MaxBytes is { } max && after > (isRecord ? max + (max / RecordReserveShare) : max))
        {
            Interlocked.Add(ref _bytes, -bytes);
            throw new StoreFullException(
                $"The store '{root}' is full: {after - bytes} of {max} bytes are used and {bytes} more were asked for. "
                + "Delete sessions, shorten Store:TimeToLive, or raise Store:MaxBytes.");
        }
    }

    public void Release(long bytes) => Interlocked.Add(ref _bytes, -bytes);
}
