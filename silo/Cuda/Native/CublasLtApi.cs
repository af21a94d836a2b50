using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Loire.Cuda.Native;

/// <summary>The part of cublasLt.h that is used.</summary>
internal static unsafe partial class CublasLtApi
{
    public const string Library = "cublasLt";
    public const int Compute32F = 68;
    public const int Real32F = 0;
    public const int Real16BF = 14;
    public const int DescriptorTransA = 3;
    public const int PreferenceWorkspaceBytes = 1;
    public const int Transposed = 1;

    [LibraryImport(Library, EntryPoint = "cublasLtCreate")]
    public static partial int Create(out nint handle);

    [LibraryImport(Library, EntryPoint = "cublasLtDestroy")]
    public static partial int Destroy(nint handle);

    [LibraryImport(Library, EntryPoint = "cublasLtGetVersion")]
    public static partial nuint Version();

    [LibraryImport(Library, EntryPoint = "cublasLtMatmulDescCreate")]
    public static partial int DescriptorCreate(out nint descriptor, int computeType, int scaleType);

    [LibraryImport(Library, EntryPoint = "cublasLtMatmulDescDestroy")]
    public static partial int DescriptorDestroy(nint descriptor);

    [LibraryImport(Library, EntryPoint = "cublasLtMatmulDescSetAttribute")]
    public static partial int DescriptorSet(nint descriptor, int attribute, void* value, nuint bytes);

    [LibraryImport(Library, EntryPoint = "cublasLtMatrixLayoutCreate")]
    public static partial int LayoutCreate(out nint layout, int type, ulong rows, ulong columns, long leadingDimension);

    [LibraryImport(Library, EntryPoint = "cublasLtMatrixLayoutDestroy")]
    public static partial int LayoutDestroy(nint layout);

    [LibraryImport(Library, EntryPoint = "cublasLtMatmulPreferenceCreate")]
    public static partial int PreferenceCreate(out nint preference);

    [LibraryImport(Library, EntryPoint = "cublasLtMatmulPreferenceDestroy")]
    public static partial int PreferenceDestroy(nint preference);

    [LibraryImport(Library, EntryPoint = "cublasLtMatmulPreferenceSetAttribute")]
    public static partial int PreferenceSet(nint preference, int attribute, void* value, nuint bytes);

    [LibraryImport(Library, EntryPoint = "cublasLtMatmulAlgoGetHeuristic")]
    public static partial int GetHeuristic(
        nint handle, nint operation, nint a, nint b, nint c, nint d, nint preference, int requested, CublasLtHeuristic* results, out int returned);

    [LibraryImport(Library, EntryPoint = "cublasLtMatmul")]
    public static partial int MatMul(
        nint handle,
        nint operation,
        void* alpha,
        ulong a,
        nint aLayout,
        ulong b,
        nint bLayout,
        void* beta,
        ulong c,
        nint cLayout,
        ulong d,
        nint dLayout,
        CublasLtAlgorithm* algorithm,
        ulong workspace,
        nuint workspaceBytes,
        nint stream);
}

/// <summary>cublasLtMatmulAlgo_t: opaque.</summary>
[InlineArray(8)]
internal struct CublasLtAlgorithm
{
    private ulong _first;
}

/// <summary>cublasLtMatmulHeuristicResult_t.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct CublasLtHeuristic
{
    public CublasLtAlgorithm Algorithm;
    public nuint WorkspaceBytes;
    public int State;
    public float Waves;
    private readonly long _reserved0;
    private readonly long _reserved1;
}
