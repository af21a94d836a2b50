using System.Runtime.InteropServices;

namespace Loire.Cuda;

/// <summary>Looks for a library by name in folders, the first that loads.</summary>
/// <param name="folders">In order.</param>
/// <param name="bySystem">Whether the system's own search is asked after the folders that a person has named.</param>
/// <param name="named">How many of the folders come before the system's search.</param>
internal sealed class LibrarySearch(IReadOnlyList<string> folders, bool bySystem, int named)
{
    private static readonly string[] SystemFolders =
    [
        "/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib/wsl/lib", "/usr/local/nvidia/lib64",
    ];

    public static LibrarySearch OfThisMachine()
    {
        List<string> folders =
        [
            .. Split(Environment.GetEnvironmentVariable(CudaLibraries.Setting)),
            .. Split(Environment.GetEnvironmentVariable("LD_LIBRARY_PATH")),
        ];
        var named = folders.Count;
        folders.AddRange(Toolkits());
        folders.AddRange(SystemFolders);
        folders.AddRange(PythonPackages());
        return new LibrarySearch([.. folders.Distinct().Where(Directory.Exists)], bySystem: true, named);
    }

    public FoundLibrary Load(IReadOnlyList<string> names)
    {
        List<string> broken = [];
        for (var i = 0; i <= folders.Count; i++)
        {
            if (i == Math.Min(named, folders.Count) && bySystem && TrySystem(names) is { } system)
            {
                return system;
            }

            if (i < folders.Count && TryFolder(folders[i], names, broken) is { } found)
            {
                return found;
            }
        }

        return new FoundLibrary(0, null, Explain(names, broken));
    }

    private static FoundLibrary? TrySystem(IReadOnlyList<string> names)
    {
        foreach (var name in names)
        {
            if (NativeLibrary.TryLoad(name, out var handle))
            {
                return new FoundLibrary(handle, name, "");
            }
        }

        return null;
    }

    private static FoundLibrary? TryFolder(string folder, IReadOnlyList<string> names, List<string> broken)
    {
        foreach (var path in names.Select(name => Path.Combine(folder, name)).Where(File.Exists))
        {
            try
            {
                return new FoundLibrary(NativeLibrary.Load(path), path, "");
            }
            catch (Exception unusable) when (unusable is DllNotFoundException or BadImageFormatException)
            {
                broken.Add($"{path} does not load: {unusable.Message.ReplaceLineEndings(" ").Trim()}");
            }
        }

        return null;
    }

    private string Explain(IReadOnlyList<string> names, List<string> broken)
    {
        var where = folders.Count == 0 ? "no folder that exists" : string.Join(", ", folders);
        var what = names[0] == "libcuda.so.1"
            ? "It comes with the NVIDIA driver: install that, or give the container access to the GPU."
            : $"It comes with the CUDA toolkit or with Python's nvidia packages: install one, or name its folder in {CudaLibraries.Setting}.";
        var tried = broken.Count == 0 ? "" : $" {string.Join("; ", broken)}.";
        return $"{string.Join(" or ", names)} is missing. Looked for by the system's loader and in {where}.{tried} {what}";
    }

    private static string[] Split(string? paths) => paths?.Split(':', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries) ?? [];

    private static IEnumerable<string> Toolkits()
    {
        var named = new[] { "CUDA_HOME", "CUDA_PATH" }.Select(Environment.GetEnvironmentVariable).OfType<string>();
        var usual = FoldersOf("/usr/local", "cuda*").OrderDescending(StringComparer.Ordinal);
        foreach (var toolkit in named.Concat(["/usr/local/cuda"]).Concat(usual))
        {
            yield return Path.Combine(toolkit, "lib64");
            yield return Path.Combine(toolkit, "targets", "x86_64-linux", "lib");
        }
    }

    /// <summary>Folders <c>nvidia/*/lib</c> of every Python that is installed in a usual place.</summary>
    private static IEnumerable<string> PythonPackages()
    {
        var environment = Environment.GetEnvironmentVariable("VIRTUAL_ENV") ?? Environment.GetEnvironmentVariable("CONDA_PREFIX");
        var home = Environment.GetFolderPath(Environment.SpecialFolder.UserProfile);
        string?[] prefixes = [environment, "/usr/local", "/usr", "/opt/conda", "/opt/venv", "/venv", Path.Combine(home, ".local")];
        return
            from prefix in prefixes.OfType<string>()
            from python in FoldersOf(Path.Combine(prefix, "lib"), "python3*")
            from packages in new[] { "site-packages", "dist-packages" }
            from vendor in FoldersOf(Path.Combine(python, packages, "nvidia"), "*")
            select Path.Combine(vendor, "lib");
    }

    private static string[] FoldersOf(string parent, string pattern) => Directory.Exists(parent) ? Directory.GetDirectories(parent, pattern) : [];
}
