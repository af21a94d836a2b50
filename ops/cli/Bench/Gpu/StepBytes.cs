using Loire.Engine.Models;
using Loire.Engine.Placement;
using Loire.Kernels;

namespace Loire.Cli.Bench;

/// <summary>Bytes that a decode step has to read and write at least, and operations of a prompt token: limits are counted, not guessed.</summary>
/// <remarks>
/// Weights once, of the experts those that some row chooses (their expected count when choices are even); each sequence's recurrent states once in and once out;
/// its keys and values once; weights and keys and values in 2 bytes, states in 4; feed-forwards of 8 bits in 1, and 4 for each block's scale. Activations are not counted.
/// </remarks>
internal static class StepBytes
{
    /// <summary>Of one token of each sequence through the whole model, on however many GPUs.</summary>
    public static double OfDecode(ModelGraph graph, WeightType experts, int batch, int context) =>
        OutputWeights(graph) + graph.Layers.Sum(layer => OfDecode(layer, graph.HiddenSize, experts, batch, context));

    /// <summary>Time of a token of each sequence if every GPU of a stage reads its even share of the stage's bytes: stages work at the same time on the batches that take turns, and the slowest sets the pace; each batch passes them one after the other.</summary>
    public static double SecondsOfDecode(ModelGraph graph, GpuPlan plan, WeightType experts, int batch, int turns, int context, double bytesPerSecond)
    {
        var rows = (batch + turns - 1) / turns;
        var stages = plan.Stages.Select((stage, i) =>
            (graph.Layers[stage.FirstLayer..stage.EndLayer].Sum(layer => OfDecode(layer, graph.HiddenSize, experts, rows, context)) + (i == plan.Stages.Length - 1 ? OutputWeights(graph) : 0))
            / stage.Devices.Length).ToArray();
        return Math.Max(turns * stages.Max(), stages.Sum()) / bytesPerSecond;
    }

    /// <summary>Time of a prompt's matrix products if all stages work at the same time and the slowest sets the pace: without attention's own and without logits.</summary>
    public static double SecondsOfPrompt(ModelGraph graph, GpuPlan plan, int tokens, double operationsPerSecond) => plan.Stages.Max(stage =>
        2.0 * tokens * graph.Layers[stage.FirstLayer..stage.EndLayer].Sum(layer =>
            MixerWeights(layer.Mixer, graph.HiddenSize)
            + RouterWeights(layer.FeedForward, graph.HiddenSize)
            + FeedForwardWeights(layer.FeedForward, graph.HiddenSize, layer.FeedForward is MoeSpec moe ? moe.TopK : 1)) / stage.Devices.Length) / operationsPerSecond;

    private static double OutputWeights(ModelGraph graph) => 2.0 * graph.VocabularySize * graph.HiddenSize;

    private static double OfDecode(LayerSpec layer, double hidden, WeightType experts, int batch, int context) =>
        (2 * (MixerWeights(layer.Mixer, hidden) + RouterWeights(layer.FeedForward, hidden)))
        + (BytesOf(experts) * FeedForwardWeights(layer.FeedForward, hidden, ExpectedExperts(layer.FeedForward, batch)))
        + (batch * (layer.Mixer switch
        {
            LightningSpec lightning => 2.0 * sizeof(float) * lightning.Heads * lightning.HeadDim * lightning.HeadDim,
            SoftmaxSpec softmax => 2.0 * 2 * softmax.KeyValueHeads * softmax.HeadDim * context,
            _ => 0,
        }));

    private static double MixerWeights(MixerSpec mixer, double hidden) => mixer switch
    {
        LightningSpec lightning => 5.0 * lightning.Heads * lightning.HeadDim * hidden,
        SoftmaxSpec softmax => 2.0 * (softmax.Heads + softmax.KeyValueHeads) * softmax.HeadDim * hidden,
        _ => 0,
    };

    private static double RouterWeights(FeedForwardSpec feedForward, double hidden) => feedForward is MoeSpec moe ? moe.Experts * hidden : 0;

    private static double BytesOf(WeightType experts) => experts is WeightType.Float8 ? 1 + ((double)sizeof(float) / (BlockScales.Block * BlockScales.Block)) : 2;

    private static double FeedForwardWeights(FeedForwardSpec feedForward, double hidden, double experts) => feedForward switch
    {
        MoeSpec moe => 3 * hidden * ((experts * moe.Width) + (moe.Shared?.Width ?? 0)),
        DenseSpec dense => 3 * hidden * dense.Width,
        _ => 0,
    };

    private static double ExpectedExperts(FeedForwardSpec feedForward, int batch) =>
        feedForward is MoeSpec moe ? moe.Experts * (1 - Math.Pow(1 - ((double)moe.TopK / moe.Experts), batch)) : 1;
}
