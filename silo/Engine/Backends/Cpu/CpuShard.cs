using Loire.Engine.Backends.Cpu.Layers;
using Loire.Engine.Links;
using Loire.Engine.Models;
using Loire.Engine.Replica;
using Loire.Engine.Weights;

namespace Loire.Engine.Backends.Cpu;

/// <summary>Experts [first, end) of every mixture layer, in memory.</summary>
internal sealed class CpuShard : ICpuShard
{
    private readonly Expert?[][] _experts; // [layer][expert - first]
    private readonly long[] _load;

    private CpuShard(ModelGraph graph, int firstExpert, int endExpert, IWeightSource weights, IProgress<double>? progress)
    {
        Graph = graph;
        FirstExpert = firstExpert;
        EndExpert = endExpert;
        _load = new long[endExpert - firstExpert];
        _experts = new Expert?[graph.Layers.Length][];
        for (var layer = 0; layer < _experts.Length; layer++)
        {
            _experts[layer] = new Expert?[endExpert - firstExpert];
            if (graph.Layers[layer].FeedForward is MoeSpec moe)
            {
                for (var expert = firstExpert; expert < Math.Min(endExpert, moe.Experts); expert++)
                {
                    _experts[layer][expert - firstExpert] = new Expert(moe.Expert(expert), graph.HiddenSize, moe.Width, weights);
                }
            }

            progress?.Report((layer + 1.0) / _experts.Length);
        }
    }

    public ModelGraph Graph { get; }

    public int FirstExpert { get; }

    public int EndExpert { get; }

    /// <summary>How other silos reach it; null while no listener serves it.</summary>
    public PartEndpoint? Endpoint { get; set; }

    public long WeightBytes => _experts.Sum(layer => layer.Sum(expert => expert?.WeightBytes ?? 0));

    /// <exception cref="ModelFormatException">A tensor is missing or has another shape, or a size suits no vector unit.</exception>
    public static CpuShard Load(ModelFolder model, int firstExpert, int endExpert, IProgress<double>? progress)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(firstExpert);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(firstExpert, endExpert);
        CpuLimits.Check(model);
        using var weights = WeightSource.Open(model.Path);
        return new CpuShard(model.Graph, firstExpert, endExpert, weights, progress);
    }

    public Expert? Find(int layer, int expert) =>
        expert >= FirstExpert && expert < EndExpert ? _experts[layer][expert - FirstExpert] : null;

    /// <summary>The shard's experts of a layer, the first one first.</summary>
    public Expert?[] Of(int layer) => _experts[layer];

    /// <summary>Counts rows that were routed to an expert of the shard. Any thread.</summary>
    public void Count(int expert, int rows)
    {
        if (rows > 0)
        {
            Interlocked.Add(ref _load[expert - FirstExpert], rows);
        }
    }

    public void ClearLoad() => Array.Clear(_load);

    public void CopyLoad(Span<long> tokensByExpert)
    {
        for (var i = 0; i < _load.Length; i++)
        {
            tokensByExpert[i] = Volatile.Read(in _load[i]);
        }
    }

    public void Dispose()
    {
        foreach (var expert in _experts.SelectMany(layer => layer))
        {
            expert?.Dispose();
        }
    }
}
