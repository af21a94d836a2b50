using Loire.Engine.Models;
using Loire.Engine.Placement;
using Loire.Kernels;

namespace Loire.Engine.Backends.Cuda.Weights;

/// <summary>Weights of one layer on a device: all of them, or its share of heads and experts.</summary>
internal sealed class CudaLayer
{
    public CudaLayer(LayerSpec spec, int hidden, GpuShare share, WeightLayout layout)
    {
        Spec = spec;
        MixerNorm = layout.Vector((spec.MixerNorm.Tensor, hidden), isFloat: true);
        FeedForwardNorm = layout.Vector((spec.FeedForwardNorm.Tensor, hidden), isFloat: true);
        Mixer = spec.Mixer switch
        {
            LightningSpec lightning => new LightningWeights(lightning, hidden, share, layout),
            SoftmaxSpec softmax => new SoftmaxWeights(softmax, hidden, share, layout),
            _ => throw new NotSupportedException($"Layer {spec.Index}: the GPU has no {spec.Mixer.GetType().Name}."),
        };
        FeedForward = spec.FeedForward switch
        {
            MoeSpec moe => FeedForwardWeights.OfMixture(moe, hidden, share, layout),
            DenseSpec dense => FeedForwardWeights.OfDense(dense, hidden, share, layout),
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

internal sealed class LightningWeights : MixerWeights
{
    public LightningWeights(LightningSpec spec, int hidden, GpuShare share, WeightLayout layout)
    {
        var (first, end) = share.Of(spec.Heads);
        Spec = spec with { Heads = end - first, Slopes = spec.Slopes[first..end] };
        TotalWidth = spec.Heads * spec.HeadDim;
        Qkv = layout.Matrix(hidden, TensorRows.Of(share, spec.QkvProjection, spec.Heads, 3 * spec.HeadDim));
        Gate = layout.Matrix(hidden, TensorRows.Of(share, spec.OutputGate, spec.Heads, spec.HeadDim));
        Norm = layout.Vector(TensorRows.Of(share, spec.Norm, spec.Heads, spec.HeadDim), isFloat: false);
        Output = layout.Columns(share, spec.Heads, spec.HeadDim, (spec.OutputProjection, hidden));
    }

    /// <summary>Of the heads that are here.</summary>
    public LightningSpec Spec { get; }

    /// <summary>Of the heads that are here.</summary>
    public int Width => Spec.Heads * Spec.HeadDim;

    /// <summary>Of all heads.</summary>
    public int TotalWidth { get; }

    public WeightRef Qkv { get; }

    public WeightRef Gate { get; }

    public WeightRef Norm { get; }

    public WeightRef Output { get; }
}

internal sealed class SoftmaxWeights : MixerWeights
{
    public SoftmaxWeights(SoftmaxSpec spec, int hidden, GpuShare share, WeightLayout layout)
    {
        var (first, end) = share.Of(spec.KeyValueHeads);
        var queriesOfOne = spec.Heads / spec.KeyValueHeads;
        Spec = spec with { Heads = (end - first) * queriesOfOne, KeyValueHeads = end - first };
        Qkv = layout.Matrix(
            hidden,
            TensorRows.Of(share, spec.Query, spec.KeyValueHeads, queriesOfOne * spec.HeadDim),
            TensorRows.Of(share, spec.Key, spec.KeyValueHeads, spec.HeadDim),
            TensorRows.Of(share, spec.Value, spec.KeyValueHeads, spec.HeadDim));
        Output = layout.Columns(share, spec.KeyValueHeads, queriesOfOne * spec.HeadDim, (spec.Output, hidden));
    }

    /// <summary>Of the heads that are here.</summary>
    public SoftmaxSpec Spec { get; }

    /// <summary>Of queries, and of the output.</summary>
    public int Width => Spec.Heads * Spec.HeadDim;

    public int QkvWidth => (Spec.Heads + (2 * Spec.KeyValueHeads)) * Spec.HeadDim;

    /// <summary>Queries, then keys, then values.</summary>
    public WeightRef Qkv { get; }

    public WeightRef Output { get; }
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

    /// <summary>What large tiles take for weights of 8 bits.</summary>
    public long ScratchBytes => Math.Max(Experts.ScratchBytes, Shared?.ScratchBytes ?? 0);

    public int Choices => Mixture?.TopK ?? 1;

    /// <summary>Of all devices.</summary>
    public int ExpertCount => Mixture?.Experts ?? 1;

    public static FeedForwardWeights OfMixture(MoeSpec spec, int hidden, GpuShare share, WeightLayout layout)
    {
        var (first, end) = share.Of(spec.Experts);
        return new()
        {
            Mixture = spec,
            Router = layout.Matrix(hidden, (spec.Router, spec.Experts)),
            Experts = new GatedWeights([.. Enumerable.Range(first, end - first).Select(spec.Expert)], hidden, spec.Width, GpuShare.Whole, layout) { First = first },
            Shared = spec.Shared is { } shared ? new GatedWeights([shared.Tensors], hidden, shared.Width, share, layout) : null,
            Coefficient = spec.Shared is { } gated ? layout.Vector((gated.Coefficient, hidden), isFloat: false) : default,
        };
    }

    public static FeedForwardWeights OfDense(DenseSpec spec, int hidden, GpuShare share, WeightLayout layout) => new()
    {
        Experts = new GatedWeights([spec.Tensors], hidden, spec.Width, share, layout),
    };
}

/// <summary>Gated feed-forwards of the same shape: <c>[count, 2, width, hidden]</c> and <c>[count, hidden, width]</c>.</summary>
internal sealed class GatedWeights
{
    private readonly ScaledRef _gateUp;
    private readonly ScaledRef _down;
    private readonly int _hidden;

    /// <param name="tensors">Of each.</param>
    /// <param name="hidden">Of a row.</param>
    /// <param name="width">Of each, on all devices together.</param>
    /// <param name="share">Of the width.</param>
    /// <param name="layout">Where they go.</param>
    public GatedWeights(GatedTensors[] tensors, int hidden, int width, GpuShare share, WeightLayout layout)
    {
        var (first, end) = share.Of(width);
        _hidden = hidden;
        Width = end - first;
        Count = tensors.Length;
        _gateUp = layout.ExpertMatrices(hidden, [.. tensors.SelectMany(one => new[] { TensorRows.Of(share, one.Gate, width), TensorRows.Of(share, one.Up, width) })]);
        _down = layout.ExpertColumns(share, width, [.. tensors.Select(one => (one.Down, hidden))]);
    }

    /// <summary>Of each, here.</summary>
    public int Width { get; }

    public int Count { get; }

    /// <summary>The first of them, among all of the layer.</summary>
    public int First { get; init; }

    public ExpertWeights View => new(
        _gateUp.Weights.Address, _down.Weights.Address, _hidden, Width, First, Count, _gateUp.Scales?.Address ?? 0, _down.Scales?.Address ?? 0);

    /// <summary>What large tiles take for weights of 8 bits.</summary>
    public long ScratchBytes => _gateUp.Scales is null ? 0 : ExpertScratch.BytesFor(_hidden, Width, Count);
}
