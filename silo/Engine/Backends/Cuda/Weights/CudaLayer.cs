using Loire.Engine.Models;
using Loire.Kernels;

namespace Loire.Engine.Backends.Cuda.Weights;

/// <summary>Weights of one layer on the device.</summary>
internal sealed class CudaLayer
{
    public CudaLayer(LayerSpec spec, int hidden, WeightLayout layout)
    {
        Spec = spec;
        MixerNorm = layout.Vector(spec.MixerNorm.Tensor, hidden, isFloat: true);
        FeedForwardNorm = layout.Vector(spec.FeedForwardNorm.Tensor, hidden, isFloat: true);
        Mixer = spec.Mixer switch
        {
            LightningSpec lightning => new LightningWeights(lightning, hidden, layout),
            SoftmaxSpec softmax => new SoftmaxWeights(softmax, hidden, layout),
            _ => throw new NotSupportedException($"Layer {spec.Index}: the GPU has no {spec.Mixer.GetType().Name}."),
        };
        FeedForward = spec.FeedForward switch
        {
            MoeSpec moe => FeedForwardWeights.OfMixture(moe, hidden, layout),
            DenseSpec dense => FeedForwardWeights.OfDense(dense, hidden, layout),
            _ => throw new NotSupportedException($"Layer {spec.Index}: the GPU has no {spec.FeedForward.GetType().Name}."),
        };
    }

    public LayerSpec Spec { get; }

    public WeightRef MixerNorm { get; }

    public WeightRef FeedForwardNorm { get; }

    public MixerWeights Mixer { get; }

    public FeedForwardWeights FeedForward { get; }
}

/// <summary>Weights of a mixer.</summary>
internal abstract class MixerWeights;

internal sealed class LightningWeights(LightningSpec spec, int hidden, WeightLayout layout) : MixerWeights
{
    public LightningSpec Spec { get; } = spec;

    public int Width { get; } = spec.Heads * spec.HeadDim;

    public WeightRef Qkv { get; } = layout.Matrix(hidden, (spec.QkvProjection, 3 * spec.Heads * spec.HeadDim));

    public WeightRef Gate { get; } = layout.Matrix(hidden, (spec.OutputGate, spec.Heads * spec.HeadDim));

    public WeightRef Norm { get; } = layout.Vector(spec.Norm, spec.Heads * spec.HeadDim, isFloat: false);

    public WeightRef Output { get; } = layout.Matrix(spec.Heads * spec.HeadDim, (spec.OutputProjection, hidden));
}

internal sealed class SoftmaxWeights(SoftmaxSpec spec, int hidden, WeightLayout layout) : MixerWeights
{
    public SoftmaxSpec Spec { get; } = spec;

    /// <summary>Of queries, and of the output.</summary>
    public int Width { get; } = spec.Heads * spec.HeadDim;

    public int QkvWidth { get; } = (spec.Heads + (2 * spec.KeyValueHeads)) * spec.HeadDim;

    /// <summary>Queries, then keys, then values.</summary>
    public WeightRef Qkv { get; } = layout.Matrix(
        hidden, (spec.Query, spec.Heads * spec.HeadDim), (spec.Key, spec.KeyValueHeads * spec.HeadDim), (spec.Value, spec.KeyValueHeads * spec.HeadDim));

    public WeightRef Output { get; } = layout.Matrix(spec.Heads * spec.HeadDim, (spec.Output, hidden));
}

/// <summary>Weights of a feed-forward: experts of a mixture, or one that every row has.</summary>
internal sealed class FeedForwardWeights
{
    /// <summary>Of rows that choose; the only one of a dense layer.</summary>
    public required GatedWeights Experts { get; init; }

    /// <summary>Null: a dense layer.</summary>
    public MoeSpec? Mixture { get; private init; }

    public WeightRef Router { get; private init; }

    public GatedWeights? Shared { get; private init; }

    public WeightRef Coefficient { get; private init; }

    public int Choices => Mixture?.TopK ?? 1;

    public int ExpertCount => Mixture?.Experts ?? 1;

    public static FeedForwardWeights OfMixture(MoeSpec spec, int hidden, WeightLayout layout) => new()
    {
        Mixture = spec,
        Router = layout.Matrix(hidden, (spec.Router, spec.Experts)),
        Experts = new GatedWeights([.. Enumerable.Range(0, spec.Experts).Select(spec.Expert)], hidden, spec.Width, layout),
        Shared = spec.Shared is { } shared ? new GatedWeights([shared.Tensors], hidden, shared.Width, layout) : null,
        Coefficient = spec.Shared is { } gated ? layout.Vector(gated.Coefficient, hidden, isFloat: false) : default,
    };

    public static FeedForwardWeights OfDense(DenseSpec spec, int hidden, WeightLayout layout) => new()
    {
        Experts = new GatedWeights([spec.Tensors], hidden, spec.Width, layout),
    };
}

/// <summary>Gated feed-forwards of the same shape: <c>[count, 2, width, hidden]</c> and <c>[count, hidden, width]</c>.</summary>
internal sealed class GatedWeights
{
    private readonly WeightRef _gateUp;
    private readonly WeightRef _down;
    private readonly int _hidden;

    public GatedWeights(GatedTensors[] tensors, int hidden, int width, WeightLayout layout)
    {
        _hidden = hidden;
        Width = width;
        Count = tensors.Length;
        _gateUp = layout.Matrix(hidden, [.. tensors.SelectMany(one => new[] { (one.Gate, width), (one.Up, width) })]);
        _down = layout.Matrix(width, [.. tensors.Select(one => (one.Down, hidden))]);
    }

    public int Width { get; }

    public int Count { get; }

    public ExpertWeights View => new(_gateUp.Address, _down.Address, _hidden, Width, 0, Count);
}
