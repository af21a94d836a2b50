using System.Collections.Concurrent;
using Loire.Contracts;
using Loire.Engine.Replica;
using Loire.Silo.Links;
using Loire.Silo.Models;
using Loire.Store;
using Loire.Telemetry;
using Microsoft.Extensions.Logging;

namespace Loire.Silo.Replicas;

/// <summary>A replica that is loaded and steps.</summary>
internal sealed record LoadedReplica(ServedModel Model, ReplicaPlan Plan, IReplicaEngine Engine, ReplicaTurns Turns, DateTimeOffset LoadedAt);

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

    public LoadTracker LoadOf(string replica) => _loads.GetOrAdd(replica, key => new LoadTracker(key, _reporter));

    /// <summary>The replica, once it is loaded.</summary>
    internal LoadedReplica? Find(string replica) => _replicas.GetValueOrDefault(replica);

    /// <summary>Makes the engine from parts that are all in this process, or returns the one that is there.</summary>
    internal async Task<LoadedReplica> JoinAsync(string replica, ReplicaPlan plan, IEnumerable<TensorEndpoint> stages, ExpertTable table)
    {
        if (_replicas.TryGetValue(replica, out var loaded))
        {
            return loaded;
        }

        var model = _catalog.Require(plan.Model);
        if (model.Digest.ToString() != plan.ModelDigest)
        {
            throw new ClusterException(
                FailureCode.Internal, $"Replica '{replica}' is planned for model digest {plan.ModelDigest}, but '{model.Folder}' has {model.Digest}. Give every silo the same files.");
        }

        var engine = await JoinPartsAsync(model, [.. stages.Select(_links.Stage)], [.. table.Endpoints.Select(_links.Shard)]);
        var turns = new ReplicaTurns(replica, model, engine, _store, _options, _metrics, _time, _loggers);
        return _replicas[replica] = new LoadedReplica(model, plan, engine, turns, _time.GetUtcNow());
    }

    private Task<IReplicaEngine> JoinPartsAsync(ServedModel model, ICpuStage[] stages, ICpuShard[] shards) =>
        Task.Run(() => _factory.Join(model, stages, shards, _options.Engine));

    /// <summary>Ends the engines, before the links dispose the parts that they use. Nobody calls a replica any more.</summary>
    public async ValueTask DisposeAsync()
    {
        foreach (var replica in _replicas.Keys)
        {
            if (_replicas.TryRemove(replica, out var loaded))
            {
                await loaded.Engine.DisposeAsync();
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
