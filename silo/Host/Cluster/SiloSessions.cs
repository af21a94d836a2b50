using System.Collections.Concurrent;
using Loire.Silo.Sessions;

namespace Loire.Silo.Cluster;

/// <summary>The sessions whose grains are on this silo. Safe from any thread.</summary>
public sealed class SiloSessions
{
    private readonly ConcurrentDictionary<SessionGrain, byte> _active = [];
    private long _handedOver;
    private double _weight;

    public int Count => _active.Count;

    /// <summary>What this silo carries, as it said last.</summary>
    public double Weight
    {
        get => Volatile.Read(ref _weight);
        set => Volatile.Write(ref _weight, value);
    }

    /// <summary>Sessions that left for other silos to even out the load.</summary>
    public long HandedOver => Volatile.Read(ref _handedOver);

    public void CountHandedOver() => Interlocked.Increment(ref _handedOver);

    internal IEnumerable<SessionGrain> All => _active.Keys;

    internal void Add(SessionGrain session) => _active[session] = 0;

    internal void Remove(SessionGrain session) => _active.TryRemove(session, out _);
}
