using System.Collections.Concurrent;
using Loire.Contracts;
using Loire.Engine.Replica;

namespace Loire.Silo.Links;

/// <summary>The parts of replicas that this silo holds, by the name that an endpoint carries. Owns them until the process ends.</summary>
/// <remarks>Inside one process a link is a reference: nothing moves. An endpoint of another silo is refused.</remarks>
/// <param name="silo">This silo, as endpoints name it.</param>
public sealed class TensorLinks(string silo) : IDisposable
{
    private readonly ConcurrentDictionary<string, IDisposable> _parts = [];

    public int Count => _parts.Count;

    /// <summary>Makes a part known, in place of an older one of that name.</summary>
    public TensorEndpoint Add(string name, IDisposable part)
    {
        if (_parts.TryGetValue(name, out var old) && !ReferenceEquals(old, part))
        {
            old.Dispose();
        }

        _parts[name] = part;
        return new TensorEndpoint(silo, name);
    }

    /// <exception cref="ClusterException">The endpoint is on another silo, or names nothing here.</exception>
    public ICpuStage Stage(TensorEndpoint endpoint) => Resolve<ICpuStage>(endpoint);

    /// <inheritdoc cref="Stage"/>
    public ICpuShard Shard(TensorEndpoint endpoint) => Resolve<ICpuShard>(endpoint);

    public void Dispose()
    {
        foreach (var name in _parts.Keys)
        {
            if (_parts.TryRemove(name, out var part))
            {
                part.Dispose();
            }
        }
    }

    private T Resolve<T>(TensorEndpoint endpoint)
        where T : class
    {
        if (endpoint.Silo != silo)
        {
            throw new ClusterException(
                FailureCode.Internal,
                $"Tensor endpoint '{endpoint.Name}' is on silo {endpoint.Silo}; silo {silo} links only parts of its own process. Place all parts of a replica on one silo.");
        }

        return _parts.GetValueOrDefault(endpoint.Name) as T
            ?? throw new ClusterException(
                FailureCode.Internal, $"Silo {silo} has no {typeof(T).Name} called '{endpoint.Name}'. Open it before joining the replica.");
    }
}
