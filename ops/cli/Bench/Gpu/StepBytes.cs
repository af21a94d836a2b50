using Loire.Engine.Models;

namespace Loire.Cli.Bench;

/// <summary>Bytes that a decode step has to read and write at least, and operations of a prompt token: limits are counted, not guessed.</summary>
/// <remarks>
/// Weights once, of the experts those that some row chooses (their expected count when choices are even); each sequence's recurrent states once in and once out;
/// its keys and values once; weights and keys and values in 2 bytes, states in 4. Activations are not counted.
/// </remarks>
internal static class StepBytes
{
    public static double OfDecode(ModelGraph graph, int batch, int context)
    {
        var bytes = 2.0 * graph.VocabularySize * graph.HiddenSize;
        foreach (var layer in graph.Layers)
        {
            bytes += 2 * MixerWeights(layer.Mixer, graph.HiddenSize);
            bytes += 2 * FeedForwardWeights(layer.FeedForward, graph.HiddenSize, ExpectedExperts(layer.FeedForward, batch));
            bytes += batch * (layer.Mixer switch
            {
                LightningSpec lightning => 2.0 * sizeof(float) * lightning.Heads * lightning.HeadDim * lightning.HeadDim,
                SoftmaxSpec softmax => 2.0 * 2 * softmax.KeyValueHeads * softmax.HeadDim * context,
                _ => 0,
            });
        }

        return bytes;
    }

    /// <summary>Multiplications and additions of the matrix products of a prompt, without attention's own and without logits.</summary>
    public static double OperationsOfPrompt(ModelGraph graph, int tokens) => 2.0 * tokens * graph.Layers.Sum(layer =>
        MixerWeights(layer.Mixer, graph.HiddenSize)
        + FeedForwardWeights(layer.FeedForward, graph.HiddenSize, layer.FeedForward is MoeSpec moe ? moe.TopK : 1));

    private static double MixerWeights(MixerSpec mixer, double hidden) => mixer switch
    {
        LightningSpec lightning => 5.0 * lightning.Heads * lightning.HeadDim * hidden,
        SoftmaxSpec softmax => 2.0 * (softmax.Heads + softmax.KeyValueHeads) * softmax.HeadDim * hidden,
        _ => 0,
    };

    private static double FeedForwardWeights(FeedForwardSpec feedForward, double hidden, double experts) => feedForward switch
    {
        MoeSpec moe => (moe.Experts * hidden) + (3 * hidden * ((experts * moe.Width) + (moe.Shared?.Width ?? 0))),
        DenseSpec dense => 3 * hidden * dense.Width,
        _ => 0,
    };

    private static double ExpectedExperts(FeedForwardSpec feedForward, int batch) =>
        feedForward is MoeSpec moe ? moe.Experts * (1 - Math.Pow(1 - ((double)moe.TopK / moe.Experts), batch)) : 1;
}
