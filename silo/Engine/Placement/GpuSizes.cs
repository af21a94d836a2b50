using Loire.Engine.Backends;
using Loire.Engine.Backends.Cuda;
using Loire.Kernels;

namespace Loire.Engine.Placement;

/// <summary>What beside the model's shape says how much memory a replica takes on its GPUs.</summary>
/// <param name="Type">Of weights, keys and values, and 16-bit activations.</param>
/// <param name="Slots">Sequences with recurrent state.</param>
/// <param name="Pages">Pages of keys and values.</param>
/// <param name="Rows">Of a step, padding included.</param>
/// <param name="LogitsRows">Of a step, padding included.</param>
public sealed record GpuSizes(ElementType Type, int Slots, int Pages, int Rows, int LogitsRows)
{
    /// <summary>Of a backend: decode steps are padded.</summary>
    internal static GpuSizes Of(BackendSizes sizes, ElementType type)
    {
        var decodeRows = StepForm.BucketOf(Math.Min(sizes.Slots, sizes.MaxRows), int.MaxValue);
        return new(type, sizes.Slots, sizes.Pages, Math.Max(sizes.MaxRows, decodeRows), Math.Max(sizes.MaxLogitsRows, decodeRows));
    }
}
