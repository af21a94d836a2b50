namespace Loire.Kernels;

/// <summary>What weights of experts are stored as.</summary>
public enum WeightType
{
    /// <summary>The <see cref="ElementType"/>, as all other weights.</summary>
    Element,

    /// <summary>e4m3, with an fp32 scale for each block of 128 x 128 of a matrix: <see cref="Quantise"/>.</summary>
    Float8,
}
