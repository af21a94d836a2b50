using Loire.Engine.Backends;
using Loire.Engine.Backends.Cuda;
using Loire.Engine.Replica;
using Loire.Kernels;

namespace Loire.Engine.Placement;

/// <summary>What beside the model's shape says how much memory a replica takes on its GPUs.</summary>
/// <param name="Type">Of weights, keys and values, and 16-bit activations.</param>
/// <param name="Slots">Sequences with recurrent state.</param>
/// <param name="Pages">Pages of keys and values.</param>
/// <param name="Rows">Of a step, padding included.</param>
/// <param name="LogitsRows">Of a step, padding included.</param>
/// <param name="Experts">What weights of feed-forwards are stored as.</param>
public sealed record GpuSizes(ElementType Type, int Slots, int Pages, int Rows, int LogitsRows, WeightType Experts = WeightType.Element)
{
    /// <summary>Of a backend: decode steps are padded.</summary>
    internal static GpuSizes Of(BackendSizes sizes, CudaOptions cuda)
    {
        var decodeRows = StepForm.BucketOf(Math.Min(sizes.Slots, sizes.MaxRows), int.MaxValue);
        return new(cuda.Type, sizes.Slots, sizes.Pages, Math.Max(sizes.MaxRows, decodeRows), Math.Max(sizes.MaxLogitsRows, decodeRows), cuda.ExpertType);
    }
}
