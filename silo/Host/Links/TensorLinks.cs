using System.Collections.Concurrent;
using System.Net;
using Loire.Contracts;
using Loire.Engine.Links;
using Loire.Engine.Replica;
using Orleans.Runtime;

namespace Loire.Silo.Links;

/// <summary>The parts of replicas that this silo holds, by the name that an endpoint carries, and the links to those of other silos. Owns its own parts until they are closed or the process ends.</summary>
/// <remarks>Inside one process a link is a reference: nothing moves.</remarks>
/// <param name="silo">This silo, as endpoints name it.</param>
/// <param name="listener">Where other silos reach the parts. Null: they do not.</param>
/// <param name="options">Of links to other silos.</param>
public sealed class TensorLinks(string silo, TensorListener? listener = null, LinkOptions? options = null) : IDisposable
{
    private readonly ConcurrentDictionary<string, IDisposable> _parts = [];
    private readonly LinkOptions _options = options ?? new LinkOptions();

    public int Count => _parts.Count;

    /// <summary>Of the parts that are here.</summary>
    public IEnumerable<string> Names => _parts.Keys;

    /// <summary>Listens where the silo does, on a port of its own; a silo that is alone does not listen.</summary>
    public static TensorLinks Open(SiloAddress silo, SiloOptions options)
    {
        var links = new LinkOptions { Secret = options.LinkSecret, AnswerTimeout = options.LinkTimeout };
        var mayListen = options.IsClustered && (options.LinkSecret is not null || IPAddress.IsLoopback(silo.Endpoint.Address));
        return new TensorLinks(
            silo.ToParsableString(),
            mayListen ? new TensorListener(new IPEndPoint(silo.Endpoint.Address, options.LinkPort), links, options.Engine.Threads) : null,
            links);
    }

    /// <summary>Makes a part known, in place of an older one of that name.</summary>
    public TensorEndpoint Add(string name, IDisposable part)
    {
        if (_parts.TryGetValue(name, out var old) && !ReferenceEquals(old, part))
        {
            Close(name);
        }

        _parts[name] = part;
        return new TensorEndpoint(silo, name)
        {
            Address = part switch
            {
                ICpuStage stage when listener is not null && TensorListener.CanServe(stage) => listener.Serve(name, stage).Address,
                ICpuShard shard when listener is not null && TensorListener.CanServe(shard) => listener.Serve(name, shard).Address,
                StateOffer offer when listener is not null => listener.Serve(name, offer).Address,
                _ => null,
            },
        };
    }

    /// <summary>Ends the links to a part and frees it. False when there is none of that name.</summary>
    public bool Close(string name)
    {
        if (!_parts.TryRemove(name, out var part))
        {
            return false;
        }

        listener?.Remove(name);
        part.Dispose();
        return true;
    }

    /// <summary>The stage behind an endpoint: itself, or a link that the caller disposes.</summary>
    /// <exception cref="ClusterException">The endpoint names nothing here, or its silo lets nobody in.</exception>
    public ICpuStage Stage(TensorEndpoint endpoint, StagePlan plan) =>
        IsHere(endpoint) ? Resolve<ICpuStage>(endpoint) : CpuReplica.LinkStage(PartOf(endpoint), plan.FirstLayer, plan.EndLayer, _options);

    /// <summary>The shard behind an endpoint: itself, or a link that the caller disposes. Blocks while it connects.</summary>
    /// <exception cref="ClusterException">The endpoint names nothing here, or its silo lets nobody in.</exception>
    /// <exception cref="PartLostException">The other silo cannot be reached.</exception>
    public ICpuShard Shard(TensorEndpoint endpoint) =>
        IsHere(endpoint) ? Resolve<ICpuShard>(endpoint) : CpuReplica.LinkShard(PartOf(endpoint), _options);

    /// <summary>The state that another silo offers. Blocks while it connects; the caller disposes the link.</summary>
    /// <param name="endpoint">Of the offer.</param>
    /// <param name="patience">How long connecting, and later each answer, may take.</param>
    /// <exception cref="PartLostException">It cannot be reached, or is offered no more.</exception>
    public StateLink State(TensorEndpoint endpoint, TimeSpan patience) =>
        StateLink.Open(PartOf(endpoint), _options with { ConnectTimeout = patience, AnswerTimeout = patience });

    public bool IsHere(TensorEndpoint endpoint) => endpoint.Silo == silo;

    public void Dispose()
    {
        foreach (var name in _parts.Keys)
        {
            Close(name);
        }

        listener?.Dispose();
    }

    private static PartEndpoint PartOf(TensorEndpoint endpoint) => endpoint.Address is { } address
        ? new PartEndpoint(address, endpoint.Name)
        : throw new ClusterException(
            FailureCode.NoCapacity,
            $"Part '{endpoint.Name}' is on silo {endpoint.Silo}, which takes no tensor links. Give every silo the cluster's secret, or the loopback address.");

    private T Resolve<T>(TensorEndpoint endpoint)
        where T : class => _parts.GetValueOrDefault(endpoint.Name) as T
        ?? throw new ClusterException(
            FailureCode.Internal, $"Silo {silo} has no {typeof(T).Name} called '{endpoint.Name}'. Open it before joining the replica.");
}
