using Loire.Cuda;
using Loire.Engine.Models;
using Loire.Engine.Weights;
using Loire.Kernels;

namespace Loire.Engine.Backends.Cuda.Weights;

/// <summary>All weights of a model, in one allocation of one device.</summary>
internal sealed class CudaWeights : IDisposable
{
    private readonly DeviceMemory _memory;

    private CudaWeights(ModelGraph graph, CudaDevice device, ElementType type)
    {
        var layout = new WeightLayout(type);
        Embedding = layout.Matrix(graph.HiddenSize, (graph.EmbeddingTensor, graph.VocabularySize));
        Layers = [.. graph.Layers.Select(layer => new CudaLayer(layer, graph.HiddenSize, layout))];
        FinalNorm = layout.Vector(graph.FinalNormTensor, graph.HiddenSize, isFloat: true);
        Output = graph.TiedEmbeddings ? Embedding : layout.Matrix(graph.HiddenSize, (graph.OutputTensor, graph.VocabularySize));
        Layout = layout;
        _memory = device.Allocate(layout.Bytes, "the weights", "the model needs a larger GPU, or several.");
        layout.Address = _memory.Address;
    }

    public WeightLayout Layout { get; }

    public WeightRef Embedding { get; }

    public CudaLayer[] Layers { get; }

    public WeightRef FinalNorm { get; }

    public WeightRef Output { get; }

    public long Bytes => _memory.Bytes;

    /// <summary>From the model's files.</summary>
    /// <exception cref="ModelFormatException">A tensor is missing or has another shape.</exception>
    public static CudaWeights Load(ModelGraph graph, IWeightSource source, CudaDevice device, ElementType type, IProgress<double>? progress)
    {
        var weights = new CudaWeights(graph, device, type);
        try
        {
            using var uploader = new WeightUploader(device, type);
            uploader.Upload(weights.Layout, source, progress);
            return weights;
        }
        catch
        {
            weights.Dispose();
            throw;
        }
    }

    /// <summary>Seeded random numbers, of a size at which activations neither grow nor vanish. Norms are 1.</summary>
    public static CudaWeights Synthesize(ModelGraph graph, CudaDevice device, ElementType type, ulong seed)
    {
        var weights = new CudaWeights(graph, device, type);
        try
        {
            using var stream = device.NewStream("synthetic weights");
            using var module = device.Compile(KernelSources.Of("Synthetic", type));
            var kernel = new Synthetic(module);
            var first = 0L;
            foreach (var part in weights.Layout.Parts)
            {
                Fill(kernel, stream, weights.Layout, part, new SyntheticSequence(seed, first, BoundOf(part, graph)));
                first += part.Count;
            }

            stream.Synchronize();
            return weights;
        }
        catch
        {
            weights.Dispose();
            throw;
        }
    }

    public void Dispose() => _memory.Dispose();

    /// <summary>A variance of 1 / fan-in keeps a product as large as what goes in; the embedding's is 1.</summary>
    private static float BoundOf(WeightPart part, ModelGraph graph) =>
        MathF.Sqrt(3f / (part.Tensor == graph.EmbeddingTensor && !graph.TiedEmbeddings ? 1 : part.Columns ?? 1));

    private static void Fill(Synthetic kernel, CudaStream stream, WeightLayout layout, WeightPart part, SyntheticSequence sequence)
    {
        var target = layout.Address + (ulong)part.Offset;
        if (part.Columns is not null)
        {
            kernel.Enqueue(stream, target, part.Count, sequence, part.IsFloat);
        }
        else if (part.IsFloat || layout.Type is ElementType.Float32)
        {
            stream.Fill(new DeviceVector<int>(target, part.Count), BitConverter.SingleToInt32Bits(1));
        }
        else
        {
            var one = ((BFloat16)1f).Bits;
            var ones = new ushort[part.Count];
            ones.AsSpan().Fill(one);
            stream.Upload<ushort>(ones, new DeviceVector<ushort>(target, part.Count));
        }
    }
}
