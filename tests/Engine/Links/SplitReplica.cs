using System.Net;
using Loire.Engine.Backends;
using Loire.Engine.Backends.Cpu;
using Loire.Engine.Backends.Cpu.Links;
using Loire.Engine.Links;
using Loire.Engine.Models;
using Loire.Engine.Replica;

namespace Loire.Engine.Tests.Links;

/// <summary>The parts of one replica on several silos: each silo is a listener of its own, and parts meet over sockets only. Silo 0 is home.</summary>
internal sealed class SplitReplica : IAsyncDisposable
{
    public static readonly LinkOptions Options = new() { Secret = "a secret of the tests", AnswerTimeout = TimeSpan.FromSeconds(60) };

    private readonly ModelFolder _model;
    private readonly List<IDisposable> _parts = [];

    /// <param name="model">Folder.</param>
    /// <param name="stages">Silo of each stage.</param>
    /// <param name="shards">Silo of each shard.</param>
    public SplitReplica(ModelFolder model, int[] stages, int[] shards)
    {
        _model = model;
        Silos = [.. Enumerable.Range(0, stages.Concat(shards).Max() + 1).Select(_ => new TensorListener(new IPEndPoint(IPAddress.Loopback, 0), Options, threads: 1))];
        var layers = model.Graph.Layers.Length;
        var experts = model.Graph.Layers.Max(layer => (layer.FeedForward as MoeSpec)?.Experts ?? 0);
        Stages = [.. stages.Select((silo, i) => Stage(silo, i, layers * i / stages.Length, layers * (i + 1) / stages.Length))];
        Shards = experts == 0 ? [] : [.. shards.Select((silo, i) => Shard(silo, i, experts * i / shards.Length, experts * (i + 1) / shards.Length))];
    }

    public TensorListener[] Silos { get; }

    public ICpuStage[] Stages { get; }

    public ICpuShard[] Shards { get; }

    public IReplicaEngine? Engine { get; private set; }

    public CpuBackend Backend(BackendSizes sizes)
    {
        var backend = new CpuBackend(_model.Graph, Stages, Shards, sizes);
        _parts.Add(backend);
        return backend;
    }

    public IReplicaEngine Join(EngineOptions options) => Engine = CpuReplica.Join(_model, Stages, Shards, options);

    /// <summary>Loads a shard on a silo and links it for home.</summary>
    public ICpuShard Shard(int silo, int number, int first, int end)
    {
        var shard = Keep(CpuReplica.LoadShard(_model, first, end));
        var endpoint = Silos[silo].Serve($"shard {number}", shard);
        return silo == 0 ? shard : Keep(CpuReplica.LinkShard(endpoint, Options));
    }

    public async ValueTask DisposeAsync()
    {
        if (Engine is { } engine)
        {
            await engine.DisposeAsync();
        }

        var (ours, others) = (_parts.Where(part => part is CpuBackend or RemoteStage or RemoteShard), _parts.Where(part => part is CpuStage or CpuShard));
        foreach (var part in ours.Reverse().Concat(Silos).Concat(others).ToArray())
        {
            part.Dispose();
        }
    }

    private ICpuStage Stage(int silo, int number, int first, int end)
    {
        var stage = Keep(CpuReplica.LoadStage(_model, first, end));
        var endpoint = Silos[silo].Serve($"stage {number}", stage);
        return silo == 0 ? stage : Keep(CpuReplica.LinkStage(endpoint, first, end, Options));
    }

    private T Keep<T>(T part)
        where T : IDisposable
    {
        _parts.Add(part);
        return part;
    }
}
