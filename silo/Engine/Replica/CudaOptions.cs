using Loire.Engine.Placement;
using Loire.Kernels;

namespace Loire.Engine.Replica;

/// <summary>How a replica uses GPUs.</summary>
public sealed record CudaOptions
{
    /// <summary>Which GPUs; null: as few as the model fits.</summary>
    public GpuGroups? Groups { get; init; } = GpuGroups.Of(0);

    /// <summary>Which layers on which of them, where that has been planned; null: as <see cref="GpuPlan.For"/> finds when the model is loaded.</summary>
    public GpuPlan? Plan { get; init; }

    /// <summary>Of weights and 16-bit activations. fp32 is for comparisons: it is slow.</summary>
    public ElementType Type { get; init; } = ElementType.BFloat16;

    /// <summary>Of the weights of feed-forwards: of a mixture's experts, a shared one, a dense one. In 8 bits they take half the memory and half the time to read, and are off by up to 2⁻⁴ each.</summary>
    public WeightType ExpertType { get; init; } = WeightType.Element;

    /// <summary>Seeded random weights of the model's shapes instead of those of its files; null: those of the files.</summary>
    public ulong? SyntheticSeed { get; init; }

    /// <summary>Whether decode steps run as captured graphs.</summary>
    public bool UseGraphs { get; init; } = true;

    /// <summary>Whether sampled rows bring their best tokens to the host, and whole rows only where those are not enough; otherwise whole rows always. The tokens are the same.</summary>
    public bool UseCandidates { get; init; } = true;

    /// <summary>Whether a step is enqueued while others run: behind the one that chooses its tokens, and, where there are stages, beside those of other sequences. The tokens are the same.</summary>
    public bool OverlapSteps { get; init; } = true;
}
