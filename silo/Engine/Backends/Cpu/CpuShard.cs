using Loire.Engine.Backends.Cpu.Layers;
using Loire.Engine.Models;
using Loire.Engine.Replica;
using Loire.Engine.Weights;

namespace Loire.Engine.Backends.Cpu;

/// <summary>Experts [first, end) of every mixture layer, in memory.</summary>
internal sealed class CpuShard : ICpuShard
{
    private readonly Expert?[][] _experts; // [layer][expert - first]
    private FeedForward?[] _served = [];

    private CpuShard(ModelGraph graph, int firstExpert, int endExpert, IWeightSource weights, IProgress<double>? progress)
    {
        FirstExpert = firstExpert;
        EndExpert = endExpert;
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

    public int FirstExpert { get; }

    public int EndExpert { get; }

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

    /// <summary>Remembers who counts the rows of its experts.</summary>
    public void ServedBy(FeedForward?[] layers) => _served = layers;

    public void CopyLoad(Span<long> tokensByExpert)
    {
        tokensByExpert.Clear();
        foreach (var layer in _served)
        {
            for (var expert = FirstExpert; layer is not null && expert < Math.Min(EndExpert, layer.ExpertCount); expert++)
            {
                tokensByExpert[expert - FirstExpert] += Volatile.Read(in layer.Load[expert]);
            }
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
