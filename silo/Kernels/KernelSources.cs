using Loire.Cuda;

namespace Loire.Kernels;

/// <summary>The device code in this assembly.</summary>
public static class KernelSources
{
    private static readonly Lazy<Dictionary<string, string>> s_headers = new(ReadHeaders);

    /// <param name="name">Of the file without its extension, such as <c>Linear</c>.</param>
    /// <param name="type">What <c>T</c> is.</param>
    /// <param name="defines">Beside <c>LOIRE_T_F32</c> or <c>LOIRE_T_BF16</c>.</param>
    public static KernelSource Of(string name, ElementType type, params IReadOnlyList<string> defines) =>
        new($"{name}.cu", Read($"{name}.cu"), s_headers.Value, [type is ElementType.BFloat16 ? "LOIRE_T_BF16" : "LOIRE_T_F32", .. defines]);

    /// <summary>Names of all sources, without extension.</summary>
    public static IReadOnlyList<string> Names { get; } =
        [.. typeof(KernelSources).Assembly.GetManifestResourceNames().Where(name => name.EndsWith(".cu", StringComparison.Ordinal)).Select(name => name[..^3]).Order(StringComparer.Ordinal)];

    private static Dictionary<string, string> ReadHeaders() => typeof(KernelSources).Assembly.GetManifestResourceNames()
        .Where(name => name.EndsWith(".cuh", StringComparison.Ordinal))
        .ToDictionary(name => name, Read, StringComparer.Ordinal);

    private static string Read(string resource)
    {
        using var stream = typeof(KernelSources).Assembly.GetManifestResourceStream(resource)
            ?? throw new ArgumentException($"There is no {resource} among the kernels.", nameof(resource));
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }
}
