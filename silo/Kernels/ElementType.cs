namespace Loire.Kernels;

/// <summary>What weights and 16-bit activations are stored as: the <c>T</c> of the device code. Sums are fp32 in both.</summary>
public enum ElementType
{
#pragma warning disable CA1720 // The name of the type is what this is about.
    /// <summary>The path of correctness: any shape, no hurry.</summary>
    Float32,
#pragma warning restore CA1720

    /// <summary>The path of speed.</summary>
    BFloat16,
}
