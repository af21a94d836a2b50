using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Loire.Cuda.Native;

namespace Loire.Cuda;

/// <summary>Finds the three CUDA libraries that are used, and tells where it has looked for one that is not there.</summary>
/// <remarks>
/// In this order: the folders of <c>LOIRE_CUDA_LIBRARIES</c>, those of <c>LD_LIBRARY_PATH</c>, the toolkit's (<c>CUDA_HOME</c>, /usr/local/cuda*),
/// the system's, and the <c>nvidia</c> folders among Python's packages.
/// </remarks>
internal static class CudaLibraries
{
    public const string Setting = "LOIRE_CUDA_LIBRARIES";

    private static readonly Dictionary<string, FoundLibrary> s_found = new(StringComparer.Ordinal);
    private static readonly Lock s_gate = new();
    private static LibrarySearch s_search = LibrarySearch.OfThisMachine();

    /// <summary>File names of each, the newest first.</summary>
    public static IReadOnlyDictionary<string, string[]> FileNames { get; } = new Dictionary<string, string[]>(StringComparer.Ordinal)
    {
        [Driver.Library] = ["libcuda.so.1"],
        [Nvrtc.Library] = ["libnvrtc.so.13", "libnvrtc.so.12"],
        [CublasLtApi.Library] = ["libcublasLt.so.13", "libcublasLt.so.12"],
    };

    /// <summary>Loads it, or finds it loaded.</summary>
    public static FoundLibrary Find(string library)
    {
        lock (s_gate)
        {
            if (!s_found.TryGetValue(library, out var found))
            {
                s_found[library] = found = s_search.Load(FileNames[library]);
            }

            return found;
        }
    }

    /// <exception cref="CudaMissingException">It is not there.</exception>
    public static void Require(string library)
    {
        if (Find(library) is { Handle: 0 } missing)
        {
            throw new CudaMissingException(missing.Explanation);
        }
    }

#pragma warning disable CA2255 // The resolver has to stand before the first call into any of the libraries.
    [ModuleInitializer]
    internal static void Register() =>
        NativeLibrary.SetDllImportResolver(typeof(CudaLibraries).Assembly, Resolve);
#pragma warning restore CA2255

    private static nint Resolve(string library, Assembly assembly, DllImportSearchPath? path)
    {
        if (!FileNames.ContainsKey(library))
        {
            return 0;
        }

        Require(library);
        return Find(library).Handle;
    }
}

/// <summary>A library that was looked for.</summary>
/// <param name="Handle">0: not found.</param>
/// <param name="Path">Where it is; null when not found.</param>
/// <param name="Explanation">What is missing, where it was looked for and what to do; empty when found.</param>
internal sealed record FoundLibrary(nint Handle, string? Path, string Explanation);
