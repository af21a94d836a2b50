using Loire.Engine.Backends.Cpu.Layers;
using Loire.Engine.Models;
using Loire.Engine.Replica;
using Loire.Engine.Weights;

namespace Loire.Engine.Backends.Cpu;

/// <summary>Layers [first, end) in memory; the first stage has the embedding, the last one the final norm and the output matrix.</summary>
internal sealed class CpuStage : ICpuStage
{
    private CpuStage(ModelGraph graph, int firstLayer, int endLayer, IWeightSource weights, IProgress<double>? progress)
    {
        Graph = graph;
        FirstLayer = firstLayer;
        EndLayer = endLayer;
        if (firstLayer == 0)
        {
            Embedding = new EmbeddingTable(weights.Get(graph.EmbeddingTensor, graph.VocabularySize, graph.HiddenSize));
        }

        Layers = new CpuLayer[endLayer - firstLayer];
        for (var i = 0; i < Layers.Length; i++)
        {
            Layers[i] = new CpuLayer(graph.Layers[firstLayer + i], graph.HiddenSize, weights);
            progress?.Report((i + 1.0) / Layers.Length);
        }

        if (endLayer == graph.Layers.Length)
        {
            FinalNorm = Vectors.Load(weights, graph.FinalNormTensor, graph.HiddenSize);
            Output = PackedMatrix.Stack(graph.HiddenSize, weights.Get(graph.OutputTensor, graph.VocabularySize, graph.HiddenSize));
        }
    }

    /// <summary>Of the whole model.</summary>
    public ModelGraph Graph { get; }

    public int FirstLayer { get; }

    public int EndLayer { get; }

    public CpuLayer[] Layers { get; }

    public EmbeddingTable? Embedding { get; }

    public CpuBuffer<float>? FinalNorm { get; }

    public PackedMatrix? Output { get; }

    public long WeightBytes =>
        Layers.Sum(layer => layer.WeightBytes) + (Embedding?.Bytes ?? 0) + (Output?.Bytes ?? 0) + (FinalNorm?.Bytes ?? 0);

    /// <exception cref="ModelFormatException">A tensor is missing or has another shape, or a size suits no vector unit.</exception>
    public static CpuStage Load(ModelFolder model, int firstLayer, int endLayer, IProgress<double>? progress)
    {
        var graph = model.Graph;
        ArgumentOutOfRangeException.ThrowIfNegative(firstLayer);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(endLayer, graph.Layers.Length);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(firstLayer, endLayer);
        CpuLimits.Check(model);
        using var weights = WeightSource.Open(model.Path);
        return new CpuStage(graph, firstLayer, endLayer, weights, progress);
    }

    public void Dispose()
    {
        foreach (var layer in Layers)
        {
            layer.Dispose();
        }

        Embedding?.Dispose();
        FinalNorm?.Dispose();
        Output?.Dispose();
    }
}
