using Loire.Engine.Backends.Cuda;
using Loire.Engine.Models;

namespace Loire.Engine.Placement;

/// <summary>What stages of a model take on the fullest GPU of a group of a given size, in constant time for any range of layers.</summary>
internal sealed class StageBytes
{
    private readonly long[] _weights; // of the layers before each
    private readonly long[] _states;
    private readonly long _embedding;
    private readonly long _output;
    private readonly long _outputBesideEmbedding;
    private readonly long _activations;
    private readonly long _logits; // of a model in one stage
    private readonly long _logitsOfStages; // of one in as many as there may be

    /// <param name="graph">Of the model.</param>
    /// <param name="sizes">Of the replica.</param>
    /// <param name="share">The GPU's.</param>
    /// <param name="mostStages">That the model may be cut into: the last keeps results for each step under way.</param>
    public StageBytes(ModelGraph graph, GpuSizes sizes, GpuShare share, int mostStages)
    {
        var bytes = new ModelBytes(graph, sizes.Type, sizes.Experts);
        Layers = graph.Layers.Length;
        _weights = new long[Layers + 1];
        _states = new long[Layers + 1];
        foreach (var (i, layer) in graph.Layers.Index())
        {
            _weights[i + 1] = _weights[i] + bytes.Weights(layer, share);
            _states[i + 1] = _states[i]
                + (ModelBytes.SlotCount(sizes.Slots) * ModelBytes.Slot(layer, share))
                + (ModelBytes.PageCount(sizes.Pages) * bytes.Page(layer, share));
        }

        _embedding = bytes.Embedding;
        _output = bytes.Output(share, hasEmbedding: false);
        _outputBesideEmbedding = bytes.Output(share, hasEmbedding: true);
        _activations = bytes.Activations(share, sizes.Rows);
        _logits = bytes.Logits(share, CudaBackend.RowsOfResults(stages: 1, sizes.LogitsRows));
        _logitsOfStages = bytes.Logits(share, CudaBackend.RowsOfResults(Math.Max(2, mostStages), sizes.LogitsRows));
    }

    /// <summary>Of the model.</summary>
    public int Layers { get; }

    /// <summary>Of layers [first, end), with the embedding where they begin the model and the output matrix where they end it.</summary>
    public GpuTake Of(int first, int end)
    {
        var (isFirst, isLast) = (first == 0, end == Layers);
        return new GpuTake(
            _weights[end] - _weights[first] + (isFirst ? _embedding : 0) + (isLast ? isFirst ? _outputBesideEmbedding : _output : 0),
            _states[end] - _states[first],
            _activations + (isLast ? isFirst ? _logits : _logitsOfStages : 0));
    }

    /// <summary>The most layers, from the first on, that fit into so many bytes; the end of the model is among them only where all of it fits.</summary>
    public int EndOf(int first, long room)
    {
        if (Of(first, Layers).Total <= room)
        {
            return Layers;
        }

        var (fits, tooMany) = (first, Layers); // Layers itself costs more than the layer before it alone
        while (tooMany - fits > 1)
        {
            var middle = (fits + tooMany) / 2;
            (fits, tooMany) = Of(first, middle).Total <= room ? (middle, tooMany) : (fits, middle);
        }

        return fits;
    }
}

/// <summary>Memory that a replica takes on one GPU, in bytes.</summary>
/// <param name="Weights">With the embedding and the output matrix, where they are there.</param>
/// <param name="States">Of slots, with copies on their way, and pages.</param>
/// <param name="Activations">With what the device takes for work.</param>
public readonly record struct GpuTake(long Weights, long States, long Activations)
{
    public long Total => Weights + States + Activations;
}
