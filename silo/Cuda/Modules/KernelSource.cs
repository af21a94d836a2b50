using System.Collections.Immutable;

namespace Loire.Cuda;

/// <summary>CUDA C++ of a module, before it is compiled.</summary>
/// <param name="name">For messages and the compiler's line numbers, such as <c>Linear.cu</c>.</param>
/// <param name="text">The source.</param>
/// <param name="headers">What it includes, by the name in the include.</param>
/// <param name="defines">Such as <c>LOIRE_T_BF16</c> or <c>TILE=64</c>.</param>
public sealed class KernelSource(string name, string text, IReadOnlyDictionary<string, string> headers, IReadOnlyList<string> defines)
{
    public string Name { get; } = name;

    public string Text { get; } = text;

    /// <summary>In the order of their names.</summary>
    public ImmutableSortedDictionary<string, string> Headers { get; } = headers.ToImmutableSortedDictionary(StringComparer.Ordinal);

    /// <summary>As given: a later one may build on an earlier one.</summary>
    public ImmutableArray<string> Defines { get; } = [.. defines];
}
