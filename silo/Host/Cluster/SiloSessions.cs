using System.Collections.Concurrent;
using Loire.Silo.Sessions;

namespace Loire.Silo.Cluster;

/// <summary>The sessions whose grains are on this silo. Safe from any thread.</summary>
public sealed class SiloSessions
{
    private readonly ConcurrentDictionary<SessionGrain, byte> _active = [];

    public int Count => _active.Count;

    internal IEnumerable<SessionGrain> All => _active.Keys;

    internal void Add(SessionGrain session) => _active[session] = 0;

    internal void Remove(SessionGrain session) => _active.TryRemove(session, out _);
}
