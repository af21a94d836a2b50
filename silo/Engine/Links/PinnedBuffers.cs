namespace Loire.Engine.Links;

/// <summary>Buffers that wait for their next frame. Keeps a bounded number; more go to <see cref="SpareBuffers"/>.</summary>
internal sealed class PinnedBuffers(int kept)
{
    private readonly Stack<PinnedBuffer> _free = new(kept);
    private readonly Lock _gate = new();
    private int _rented;
    private bool _hasEnded;

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

        return SpareBuffers.Rent();
    }

    public void Return(PinnedBuffer buffer)
    {
        Interlocked.Decrement(ref _rented);
        lock (_gate)
        {
            if (!_hasEnded && _free.Count < kept)
            {
                _free.Push(buffer);
                return;
            }
        }

        SpareBuffers.Return(buffer);
    }

    /// <summary>Lets others have what waits here, and whatever is returned from here on.</summary>
    public void End()
    {
        lock (_gate)
        {
            _hasEnded = true;
            while (_free.TryPop(out var buffer))
            {
                SpareBuffers.Return(buffer);
            }
        }
    }
}
