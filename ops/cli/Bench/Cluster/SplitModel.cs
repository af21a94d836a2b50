using Loire.Engine.Backends;
using System.Net;
using Loire.Engine.Backends.Cpu;
using Loire.Engine.Links;
using Loire.Engine.Models;
using Loire.Engine.Replica;

namespace Loire.Cli.Bench;

/// <summary>A replica whose stages and shards are on several silos of this process: each is a listener of its own with one computing thread, and parts meet over sockets only. Silo 0 is home.</summary>
internal sealed class SplitModel : IDisposable
{
    private static readonly LinkOptions Links = new();

    private readonly ModelFolder _model;
    private readonly TensorListener[] _silos;
    private readonly List<IDisposable> _parts = [];
    private readonly List<IDisposable> _links = [];

    /// <param name="model">Weights.</param>
    /// <param name="stages">Silo of each stage, in order.</param>
    /// <param name="shards">Silo of each expert shard, in order.</param>
    /// <param name="sizes">Of the replica.</param>
    public SplitModel(ModelFolder model, int[] stages, int[] shards, BackendSizes sizes)
    {
        _model = model;
        _silos = [.. Enumerable.Range(0, stages.Concat(shards).Max() + 1).Select(_ => new TensorListener(new IPEndPoint(IPAddress.Loopback, 0), Links, threads: 1))];
        var layers = model.Graph.Layers.Length;
        var experts = model.Graph.Layers.Max(layer => (layer.FeedForward as MoeSpec)?.Experts ?? 0);
        ICpuStage[] ofStages = [.. stages.Select((silo, i) => Stage(silo, i, layers * i / stages.Length, layers * (i + 1) / stages.Length))];
        ICpuShard[] ofShards = experts == 0 ? [] : [.. shards.Select((silo, i) => Shard(silo, i, experts * i / shards.Length, experts * (i + 1) / shards.Length))];
        Backend = new CpuBackend(model.Graph, ofStages, ofShards, sizes);
    }

    public CpuBackend Backend { get; }

    /// <summary>Sent and received by all silos since their start.</summary>
    public long Bytes => _silos.Sum(silo => silo.Bytes);

    /// <summary>Who uses a part goes before it.</summary>
    public void Dispose()
    {
        Backend.Dispose();
        foreach (var part in Enumerable.Reverse(_links).Concat(_silos).Concat(_parts))
        {
            part.Dispose();
        }
    }

    private ICpuStage Stage(int silo, int number, int first, int end)
    {
        var stage = CpuReplica.LoadStage(_model, first, end);
        _parts.Add(stage);
        return silo == 0 ? stage : Linked(CpuReplica.LinkStage(_silos[silo].Serve($"stage {number}", stage), first, end, Links));
    }

    /// <summary>Served at home as well: a stage elsewhere calls the experts there.</summary>
    private ICpuShard Shard(int silo, int number, int first, int end)
    {
        var shard = CpuReplica.LoadShard(_model, first, end);
        _parts.Add(shard);
        var endpoint = _silos[silo].Serve($"shard {number}", shard);
        return silo == 0 ? shard : Linked(CpuReplica.LinkShard(endpoint, Links));
    }

    private T Linked<T>(T part)
        where T : IDisposable
    {
        _links.Add(part);
        return part;
    }
}
