using Loire.Cuda;
using Loire.Engine.Backends.Cuda;
using Loire.Engine.Models;
using Loire.Engine.State;
using Loire.Kernels;

namespace Loire.Engine.Placement;

/// <summary>Counts what parts of a model take on one GPU of a group. Arithmetic over the graph: no device, no weights.</summary>
/// <remarks>
/// Of its share a GPU has the heads with their states and pages, the experts, the width of dense and shared feed-forwards, and rows of the
/// output matrix; norms, routers and the embedding it has whole.
/// </remarks>
internal sealed class ModelBytes(ModelGraph graph, ElementType type, WeightType experts = WeightType.Element)
{
    /// <summary>What no figure of the model sets: workspaces of matrix products and of attention, a step's integers, compiled kernels.</summary>
    private const long Fixed = 256L << 20;

    private readonly int _hidden = graph.HiddenSize;
    private readonly int _element = type is ElementType.BFloat16 ? sizeof(ushort) : sizeof(float);

    public long Embedding => Matrix(graph.VocabularySize, _hidden);

    /// <summary>Of the GPU's rows, unless they are a part of the embedding that is there already.</summary>
    /// <param name="share">Of the last stage's group.</param>
    /// <param name="hasEmbedding">The stage is also the first.</param>
    public long Output(GpuShare share, bool hasEmbedding) =>
        Floats(_hidden) + (graph.TiedEmbeddings && hasEmbedding ? 0 : Matrix(share.LengthOf(graph.VocabularySize), _hidden));

    /// <summary>All weights of a layer.</summary>
    public long Weights(LayerSpec layer, GpuShare share) =>
        (2 * Floats(_hidden)) + MixerWeights(layer.Mixer, share) + FeedForwardWeights(layer.FeedForward, share);

    /// <summary>Those of a layer's experts alone.</summary>
    public long ExpertWeights(LayerSpec layer, GpuShare share) =>
        layer.FeedForward is MoeSpec moe ? Gated(share.LengthOf(moe.Experts), moe.Width) : 0;

    /// <summary>All weights of a stage, with the embedding and the output matrix where they are there.</summary>
    public long Weights(GpuStagePlan stage, GpuShare share)
    {
        var (isFirst, isLast) = (stage.FirstLayer == 0, stage.EndLayer == graph.Layers.Length);
        return LayersOf(stage).Sum(layer => Weights(layer, share)) + (isFirst ? Embedding : 0) + (isLast ? Output(share, isFirst) : 0);
    }

    /// <summary>Those of a stage's experts alone.</summary>
    public long ExpertWeights(GpuStagePlan stage, GpuShare share) => LayersOf(stage).Sum(layer => ExpertWeights(layer, share));

    /// <summary>A sequence's recurrent state in a layer.</summary>
    public static long Slot(LayerSpec layer, GpuShare share) =>
        layer.Mixer is LightningSpec lightning ? (long)sizeof(float) * share.LengthOf(lightning.Heads) * lightning.HeadDim * lightning.HeadDim : 0;

    /// <summary>A page of keys and values in a layer.</summary>
    public long Page(LayerSpec layer, GpuShare share) =>
        layer.Mixer is SoftmaxSpec softmax ? 2L * _element * share.LengthOf(softmax.KeyValueHeads) * StateShape.PageTokens * softmax.HeadDim : 0;

    /// <summary>Copies of states that are held at once: those of the slots, one for padded rows, and those on their way to the host.</summary>
    public static long SlotCount(int slots) => slots + 1L + RecurrentExports.Most;

    /// <summary>Pages that are held: one more for padded rows.</summary>
    public static long PageCount(int pages) => pages + 1L;

    /// <summary>Activations of a step of any of the layers, without logits, and what a device takes for work.</summary>
    public long Activations(GpuShare share, int rows)
    {
        var lightning = 0L;
        var (qkv, mixed, expert, shared) = (0L, 0L, 0L, 0L);
        foreach (var layer in graph.Layers)
        {
            if (layer.Mixer is LightningSpec linear)
            {
                lightning = Math.Max(lightning, (long)share.LengthOf(linear.Heads) * linear.HeadDim);
            }
            else if (layer.Mixer is SoftmaxSpec softmax)
            {
                var heads = share.LengthOf(softmax.Heads);
                mixed = Math.Max(mixed, (long)heads * softmax.HeadDim);
                qkv = Math.Max(qkv, (long)(heads + (2 * share.LengthOf(softmax.KeyValueHeads))) * softmax.HeadDim);
            }

            var (choices, width) = layer.FeedForward switch
            {
                MoeSpec moe => (moe.TopK, moe.Width),
                DenseSpec dense => (1, share.LengthOf(dense.Width)),
                _ => (0, 0),
            };
            expert = Math.Max(expert, choices * (((long)_element * width) + (sizeof(float) * (long)_hidden)));
            shared = Math.Max(shared, layer.FeedForward is MoeSpec { Shared: { } one } ? share.LengthOf(one.Width) : 0);
        }

        qkv = Math.Max(qkv, 3 * lightning);
        mixed = Math.Max(mixed, lightning);
        var streams = (3L * sizeof(float) * _hidden) + ((long)_element * _hidden);
        var mixer = (sizeof(float) * (qkv + mixed + lightning)) + (_element * mixed);
        var feedForward = expert + (shared == 0 ? 0 : (_element * shared) + ((long)sizeof(float) * _hidden));
        var sums = share.Count == 1 ? 0 : 2L * sizeof(float) * _hidden; // what goes to the others of the group, and what comes
        return Fixed + ExpertsAtOnce(share) + (rows * (streams + mixer + feedForward + sums));
    }

    /// <summary>Logits of the GPU's rows of the vocabulary, and what they are made from.</summary>
    public long Logits(GpuShare share, int logitsRows) =>
        logitsRows * (((long)sizeof(float) * share.LengthOf(graph.VocabularySize)) + ((long)_element * _hidden));

    private IEnumerable<LayerSpec> LayersOf(GpuStagePlan stage) => graph.Layers[stage.FirstLayer..stage.EndLayer];

    private long MixerWeights(MixerSpec mixer, GpuShare share)
    {
        switch (mixer)
        {
            case LightningSpec lightning:
                var width = (long)share.LengthOf(lightning.Heads) * lightning.HeadDim;
                return Matrix(3 * width, _hidden) + Matrix(width, _hidden) + Vector(width) + Matrix(_hidden, width);
            case SoftmaxSpec softmax:
                var heads = share.LengthOf(softmax.Heads);
                return Matrix((long)(heads + (2 * share.LengthOf(softmax.KeyValueHeads))) * softmax.HeadDim, _hidden) + Matrix(_hidden, (long)heads * softmax.HeadDim);
            default:
                throw new NotSupportedException($"The GPU has no {mixer.GetType().Name}.");
        }
    }

    private long FeedForwardWeights(FeedForwardSpec feedForward, GpuShare share) => feedForward switch
    {
        MoeSpec moe => Matrix(moe.Experts, _hidden)
            + Gated(share.LengthOf(moe.Experts), moe.Width)
            + (moe.Shared is { } shared ? Gated(1, share.LengthOf(shared.Width)) + Vector(_hidden) : 0),
        DenseSpec dense => Gated(1, share.LengthOf(dense.Width)),
        _ => throw new NotSupportedException($"The GPU has no {feedForward.GetType().Name}."),
    };

    private long Gated(int count, int width) => experts is WeightType.Element
        ? Matrix(2L * count * width, _hidden) + Matrix((long)count * _hidden, width)
        : DeviceArena.Footprint<byte>(2L * count * width * _hidden) + DeviceArena.Footprint<float>(2 * count * BlockScales.CountOf(width, _hidden))
        + DeviceArena.Footprint<byte>((long)count * _hidden * width) + DeviceArena.Footprint<float>(count * BlockScales.CountOf(_hidden, width));

    /// <summary>Weights of a few experts that are brain floats while large tiles are computed.</summary>
    private long ExpertsAtOnce(GpuShare share) => experts is WeightType.Element ? 0 : graph.Layers.Max(layer => layer.FeedForward switch
    {
        MoeSpec moe => Math.Max(
            ExpertScratch.BytesFor(_hidden, moe.Width, share.LengthOf(moe.Experts)),
            moe.Shared is { } shared ? ExpertScratch.BytesFor(_hidden, share.LengthOf(shared.Width), 1) : 0),
        DenseSpec dense => ExpertScratch.BytesFor(_hidden, share.LengthOf(dense.Width), 1),
        _ => 0,
    });

    private long Matrix(long rows, long columns) => DeviceArena.Footprint<byte>(checked(rows * columns * _element));

    private long Vector(long length) => DeviceArena.Footprint<byte>(length * _element);

    private static long Floats(long length) => DeviceArena.Footprint<float>(length);
}
