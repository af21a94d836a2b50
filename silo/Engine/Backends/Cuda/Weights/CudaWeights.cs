using Loire.Cuda;
using Loire.Engine.Models;
using Loire.Engine.Weights;
using Loire.Kernels;

namespace Loire.Engine.Backends.Cuda.Weights;

/// <summary>The weights of a stage that one device holds, in one allocation.</summary>
internal sealed class CudaWeights : IDisposable
{
    private readonly DeviceMemory _memory;

    public CudaWeights(ModelGraph graph, PartRange range, CudaDevice device, ElementType type, WeightType experts)
    {
        var layout = new WeightLayout(type, experts);
        var (first, end) = range.Share.Of(graph.VocabularySize);
        if (range.IsFirst)
        {
            Embedding = layout.Matrix(graph.HiddenSize, (graph.EmbeddingTensor, graph.VocabularySize));
        }

        Layers = [.. graph.Layers[range.FirstLayer..range.EndLayer].Select(layer => new CudaLayer(layer, graph.HiddenSize, range.Share, layout))];
        if (range.IsLast)
        {
            FinalNorm = layout.Vector((graph.FinalNormTensor, graph.HiddenSize), isFloat: true);
            Output = graph.TiedEmbeddings && range.IsFirst
                ? Embedding.From((long)first * graph.HiddenSize, (long)(end - first) * graph.HiddenSize)
                : layout.Matrix(graph.HiddenSize, TensorRows.Of(range.Share, graph.OutputTensor, graph.VocabularySize));
        }

        Layout = layout;
        Vocabulary = (first, end);
        _memory = device.Allocate(Math.Max(layout.Bytes, 1), "the weights", "the model needs a larger GPU, or several.");
        layout.Address = _memory.Address;
    }

    public WeightLayout Layout { get; }

    /// <summary>Of the first stage.</summary>
    public WeightRef Embedding { get; }

    public CudaLayer[] Layers { get; }

    /// <summary>Of the last stage.</summary>
    public WeightRef FinalNorm { get; }

    /// <summary>Of the last stage: the rows of <see cref="Vocabulary"/>.</summary>
    public WeightRef Output { get; }

    /// <summary>Tokens whose logits are computed here.</summary>
    public (int First, int End) Vocabulary { get; }

    public long Bytes => _memory.Bytes;

    /// <summary>What large tiles of any layer take for weights of 8 bits.</summary>
    public long ScratchBytes => Layers.Max(layer => layer.FeedForward.ScratchBytes);

    /// <summary>From the model's files.</summary>
    /// <exception cref="ModelFormatException">A tensor is missing or has another shape.</exception>
    public void Load(IWeightSource source, CudaDevice device, IProgress<double>? progress)
    {
        using var uploader = new WeightUploader(device, Layout);
        uploader.Upload(source, progress);
    }

    public void Dispose() => _memory.Dispose();
}
