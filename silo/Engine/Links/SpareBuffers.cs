namespace Loire.Engine.Links;

/// <summary>Buffers of links that have ended, for the next ones: a state on its way would otherwise begin with some MiB of fresh memory at each end.</summary>
/// <remarks>At most <see cref="Most"/> are kept, and none that has grown beyond <see cref="MostBytes"/>; the collector takes the others.</remarks>
internal static class SpareBuffers
{
    public const int Most = 16;
    public const int MostBytes = 2 << 20;

    private static readonly Stack<PinnedBuffer> s_free = new(Most);
    private static readonly Lock s_gate = new();

    /// <summary>How many wait.</summary>
    public static int Count
    {
        get
        {
            lock (s_gate)
            {
                return s_free.Count;
            }
        }
    }

    public static PinnedBuffer Rent()
    {
        lock (s_gate)
        {
            if (s_free.TryPop(out var buffer))
            {
                buffer.Clear();
                return buffer;
            }
        }

        return new PinnedBuffer();
    }

    /// <summary>Nobody uses it any more.</summary>
    public static void Return(PinnedBuffer buffer)
    {
        lock (s_gate)
        {
            if (s_free.Count < Most && buffer.Capacity <= MostBytes)
            {
                s_free.Push(buffer);
            }
        }
    }
}
