namespace Loire.Engine.Links;

/// <summary>Buffers that wait for their next frame. Keeps a bounded number; more are left to the collector.</summary>
internal sealed class PinnedBuffers(int kept)
{
    private readonly Stack<PinnedBuffer> _free = new(kept);
    private readonly Lock _gate = new();
    private int _rented;

    /// <summary>Rented and not returned.</summary>
    public int Rented => Volatile.Read(ref _rented);

    public PinnedBuffer Rent()
    {
        Interlocked.Increment(ref _rented);
        lock (_gate)
        {
            if (_free.TryPop(out var buffer))
            {
                buffer.Clear();
                return buffer;
            }
        }

        return new PinnedBuffer();
    }

    public void Return(PinnedBuffer buffer)
    {
        Interlocked.Decrement(ref _rented);
        lock (_gate)
        {
            if (_free.Count < kept)
            {
                _free.Push(buffer);
            }
        }
    }
}
