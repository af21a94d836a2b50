using System.Collections.Immutable;

namespace Loire.Engine.Weights;

/// <summary>One tensor as a safetensors header lists it; every figure has been checked against the file.</summary>
public sealed record TensorEntry
{
    public required string Name { get; init; }

    public required TensorType Type { get; init; }

    /// <summary>The type's name in the header; tells which type <see cref="TensorType.Unsupported"/> is.</summary>
    public required string TypeName { get; init; }

    /// <summary>Row-major, outermost first. Empty for a single value.</summary>
    public required ImmutableArray<long> Shape { get; init; }

    /// <summary>From the start of the file, in bytes. Not always a multiple of the element's size.</summary>
    public required long Offset { get; init; }

    /// <summary>In bytes.</summary>
    public required long Length { get; init; }

    /// <summary>Number of values: the product of the shape.</summary>
    public required long Count { get; init; }

    /// <summary>For messages: <c>[3, 4]</c>.</summary>
    public string ShapeText => $"[{string.Join(", ", Shape)}]";
}
