namespace Loire.Engine.Models;

/// <summary>A tensor that a graph needs: its name and shape.</summary>
public readonly record struct RequiredTensor(string Name, int Rows, int? Columns)
{
    /// <summary>Row-major, outermost first.</summary>
    public int[] Shape => Columns is { } columns ? [Rows, columns] : [Rows];
}

/// <summary>Lists what a graph needs from the weights, so that a folder is checked before anything is computed.</summary>
public static class ModelTensors
{
    /// <summary>In the order of the computation.</summary>
    public static IEnumerable<RequiredTensor> RequiredTensors(this ModelGraph graph)
    {
        yield return new(graph.EmbeddingTensor, graph.VocabularySize, graph.HiddenSize);
        foreach (var layer in graph.Layers)
        {
            foreach (var tensor in OfLayer(layer, graph.HiddenSize))
            {
                yield return tensor;
            }
        }

        yield return new(graph.FinalNormTensor, graph.HiddenSize, null);
        if (!graph.TiedEmbeddings)
        {
            yield return new(graph.OutputTensor, graph.VocabularySize, graph.HiddenSize);
        }
    }

    private static IEnumerable<RequiredTensor> OfLayer(LayerSpec layer, int hidden) =>
        [
            new(layer.MixerNorm.Tensor, hidden, null),
            .. OfMixer(layer.Mixer, hidden),
            new(layer.FeedForwardNorm.Tensor, hidden, null),
            .. OfFeedForward(layer.FeedForward, hidden),
        ];

    private static IEnumerable<RequiredTensor> OfMixer(MixerSpec mixer, int hidden) => mixer switch
    {
        LightningSpec lightning =>
        [
            new(lightning.QkvProjection, 3 * lightning.Heads * lightning.HeadDim, hidden),
            new(lightning.OutputGate, lightning.Heads * lightning.HeadDim, hidden),
            new(lightning.Norm, lightning.Heads * lightning.HeadDim, null),
            new(lightning.OutputProjection, hidden, lightning.Heads * lightning.HeadDim),
        ],
        SoftmaxSpec softmax =>
        [
            new(softmax.Query, softmax.Heads * softmax.HeadDim, hidden),
            new(softmax.Key, softmax.KeyValueHeads * softmax.HeadDim, hidden),
            new(softmax.Value, softmax.KeyValueHeads * softmax.HeadDim, hidden),
            new(softmax.Output, hidden, softmax.Heads * softmax.HeadDim),
        ],
        _ => throw new ArgumentOutOfRangeException(nameof(mixer), mixer.GetType().Name, "The tensors of this mixer are not listed."),
    };

    private static IEnumerable<RequiredTensor> OfFeedForward(FeedForwardSpec feedForward, int hidden) => feedForward switch
    {
        DenseSpec dense => Gated(dense.Tensors, dense.Width, hidden),
        MoeSpec moe =>
        [
            new(moe.Router, moe.Experts, hidden),
            .. Enumerable.Range(0, moe.Experts).SelectMany(e => Gated(moe.Expert(e), moe.Width, hidden)),
            .. moe.Shared is { } shared ? [new(shared.Coefficient, 1, hidden), .. Gated(shared.Tensors, shared.Width, hidden)] : Array.Empty<RequiredTensor>(),
        ],
        _ => throw new ArgumentOutOfRangeException(nameof(feedForward), feedForward.GetType().Name, "The tensors of this feed-forward are not listed."),
    };

    private static IEnumerable<RequiredTensor> Gated(GatedTensors tensors, int width, int hidden) =>
        [new(tensors.Gate, width, hidden), new(tensors.Up, width, hidden), new(tensors.Down, hidden, width)];
}
