namespace Loire.Kernels;

/// <summary>The ways to compute a product of activations and weights.</summary>
public enum LinearPath
{
    /// <summary>A warp a column: any shape, any type.</summary>
    Any,

    /// <summary>Weights are read once, straight to the tensor cores: few rows.</summary>
    Stream,

    /// <summary>cuBLASLt: many rows.</summary>
    Library,
}

/// <summary>Chooses the way of a product.</summary>
public static class LinearChoice
{
    /// <summary>Most rows that the streaming kernels take.</summary>
    public const int MostStreamedRows = 64;

    /// <summary>Most rows for which they are faster than the library: tests/Benchmarks/results.</summary>
    public const int BestStreamedRows = 16;

    /// <summary>The streaming kernels read the depth in pieces of so many elements.</summary>
    public const int StreamedDepth = 64;

    /// <summary>Leading dimensions that the library takes without a slow path.</summary>
    private const int LibraryMultiple = 8;

    /// <param name="rows">Of activations.</param>
    /// <param name="depth">Of the sums.</param>
    /// <param name="type">Of weights and activations.</param>
    /// <param name="canStream">Whether the GPU has the shared memory.</param>
    /// <param name="hasLibrary">Whether cuBLASLt is there.</param>
    public static LinearPath Of(int rows, int depth, ElementType type, bool canStream, bool hasLibrary)
    {
        if (type is not ElementType.BFloat16)
        {
            return LinearPath.Any;
        }

        if (rows <= (hasLibrary ? BestStreamedRows : MostStreamedRows) && depth % StreamedDepth == 0 && canStream)
        {
            return LinearPath.Stream;
        }

        return hasLibrary && depth % LibraryMultiple == 0 ? LinearPath.Library : LinearPath.Any;
    }
}
