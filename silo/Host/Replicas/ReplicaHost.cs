using System.Collections.Concurrent;
using Loire.Contracts;
using Loire.Engine.Links;
using Loire.Engine.Replica;
using Loire.Silo.Links;
using Loire.Silo.Models;
using Loire.Store;
using Loire.Telemetry;
using Microsoft.Extensions.Logging;

namespace Loire.Silo.Replicas;

/// <summary>A replica that is loaded and steps.</summary>
internal sealed record LoadedReplica(ServedModel Model, ReplicaPlan Plan, IReplicaEngine Engine, ReplicaTurns Turns, LinkedParts Parts, DateTimeOffset LoadedAt)
{
    /// <summary>A part of it on another silo is gone: it is opened anew.</summary>
    public bool IsLost => Engine.Lost is not null || Parts.IsCut;
}

/// <summary>The replicas of this silo, with their engines. Outlives their grains' activations, and ends with the process.</summary>
public sealed class ReplicaHost : IAsyncDisposable
{
    private readonly ConcurrentDictionary<string, LoadTracker> _loads = [];
    private readonly ConcurrentDictionary<string, LoadedReplica> _replicas = [];
    private readonly ModelCatalog _catalog;
    private readonly IReplicaEngineFactory _factory;
    private readonly TensorLinks _links;
    private readonly ICheckpointStore _store;
    private readonly SiloOptions _options;
    private readonly LoireMetrics _metrics;
    private readonly TimeProvider _time;
    private readonly ILoggerFactory _loggers;
    private readonly LoadReporter _reporter;

    public ReplicaHost(
        ModelCatalog catalog, IReplicaEngineFactory factory, TensorLinks links, ICheckpointStore store, SiloOptions options,
        LoireMetrics metrics, TimeProvider time, ILoggerFactory loggers)
    {
        (_catalog, _factory, _links, _store, _options, _metrics, _time, _loggers) = (catalog, factory, links, store, options, metrics, time, loggers);
        _reporter = new LoadReporter(options.LoadProgress, loggers.CreateLogger<LoadReporter>());
        metrics.Steps.ReadFrom(Read);
    }

    /// <summary>What each loaded replica carries, and what it could.</summary>
    public IReadOnlyCollection<(ReplicaLoad Load, ReplicaShape Shape)> Loads =>
        [.. _replicas.Values.Where(replica => !replica.IsLost).Select(replica => (replica.Engine.Load, replica.Engine.Shape))];

    public LoadTracker LoadOf(string replica) => _loads.GetOrAdd(replica, key => new LoadTracker(key, _reporter));

    /// <summary>The replica, once it is loaded.</summary>
    internal LoadedReplica? Find(string replica) => _replicas.GetValueOrDefault(replica);

    /// <summary>Makes the engine from parts of this silo and of others, or returns the one that is there and has not lost any.</summary>
    internal async Task<LoadedReplica> JoinAsync(string replica, ReplicaPlan plan, IEnumerable<TensorEndpoint> stages, ExpertTable table)
    {
        if (_replicas.TryGetValue(replica, out var loaded))
        {
            if (!loaded.IsLost)
            {
                return loaded;
            }

            _replicas.TryRemove(replica, out _);
            await EndAsync(loaded);
        }

        var model = _catalog.Require(plan.Model);
        if (model.Digest.ToString() != plan.ModelDigest)
        {
            throw new ClusterException(
                FailureCode.Internal, $"Replica '{replica}' is planned for model digest {plan.ModelDigest}, but '{model.Folder}' has {model.Digest}. Give every silo the same files.");
        }

        var parts = await Task.Run(() => LinkedParts.Open(_links, plan, [.. stages], table));
        var engine = await JoinPartsAsync(model, parts);
        var turns = new ReplicaTurns(replica, model, engine, _store, _options, _metrics, _time, _loggers);
        return _replicas[replica] = new LoadedReplica(model, plan, engine, turns, parts, _time.GetUtcNow());
    }

    /// <summary>Has a replica use another copy of one of its shards, from its next step on.</summary>
    /// <exception cref="ClusterException">It is not loaded, or the other copy cannot be reached; the old one stays in use.</exception>
    public async Task RouteAsync(string replica, int shard, TensorEndpoint endpoint)
    {
        var loaded = _replicas.GetValueOrDefault(replica)
            ?? throw new ClusterException(FailureCode.NoCapacity, $"Replica '{replica}' is not loaded yet.", retryAfter: TimeSpan.FromSeconds(1));
        ICpuShard? to = null;
        try
        {
            to = await Task.Run(() => _links.Shard(endpoint));
            await loaded.Engine.RouteAsync(loaded.Parts.Shards[shard], to);
        }
        catch (Exception fault) when (fault is PartLostException or ObjectDisposedException)
        {
            if (to is not null && !_links.IsHere(endpoint))
            {
                to.Dispose();
            }

            throw new ClusterException(FailureCode.NoCapacity, $"Shard {shard} of replica '{replica}' could not be moved: {fault.Message}", retryAfter: TimeSpan.FromSeconds(1), inner: fault);
        }

        loaded.Parts.Replace(shard, to, _links.IsHere(endpoint) ? null : endpoint.Silo);
    }

    private async Task<IReplicaEngine> JoinPartsAsync(ServedModel model, LinkedParts parts)
    {
        try
        {
            return await Task.Run(() => _factory.Join(model, parts.Stages, parts.Shards, _options.Engine));
        }
        catch
        {
            parts.Dispose();
            throw;
        }
    }

    private static async Task EndAsync(LoadedReplica replica)
    {
        await replica.Engine.DisposeAsync();
        replica.Parts.Dispose();
    }

    /// <summary>Ends the engines, before the links dispose the parts that they use. Nobody calls a replica any more.</summary>
    public async ValueTask DisposeAsync()
    {
        foreach (var replica in _replicas.Keys)
        {
            if (_replicas.TryRemove(replica, out var loaded))
            {
                await EndAsync(loaded);
            }
        }
    }

    private IEnumerable<ReplicaReading> Read() => _replicas.Select(pair =>
    {
        var (load, shape) = (pair.Value.Engine.Load, pair.Value.Engine.Shape);
        return new ReplicaReading(
            pair.Key, load.SlotsInUse, load.PagesInUse, load.Running, load.Waiting, load.Steps, load.PromptTokens, load.GeneratedTokens)
        {
            Slots = shape.Slots,
            Pages = shape.Pages,
        };
    });
}
