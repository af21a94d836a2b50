namespace Loire.Kernels;

/// <summary>What weights and 16-bit activations are stored as: the <c>T</c> of the device code. Sums are fp32 in both.</summary>
public enum ElementType
{
    /// <summary>The path of correctness: any shape, no hurry.</summary>
    Float32,

    /// <summary>The path of speed.</summary>
    BFloat16,
}
