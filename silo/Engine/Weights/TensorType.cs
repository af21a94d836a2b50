namespace Loire.Engine.Weights;

/// <summary>Element type of a stored tensor, as safetensors names it.</summary>
/// <remarks><see cref="Unsupported"/> stands for every name not listed: such a tensor may lie in a file, but reading it is refused by name.</remarks>
public enum TensorType
{
    Unsupported = 0,
    F32,
    BF16,
    F16,
    F64,
    I8,
    I16,
    I32,
    I64,
    U8,
    U16,
    U32,
    U64,
    Bool,
    F8E4M3,
    F8E5M2,
}

/// <summary>Names and sizes of <see cref="TensorType"/>.</summary>
public static class TensorTypes
{
    /// <returns><see cref="TensorType.Unsupported"/> for a name that is not known.</returns>
    public static TensorType Parse(string name) => name switch
    {
        "F32" => TensorType.F32,
        "BF16" => TensorType.BF16,
        "F16" => TensorType.F16,
        "F64" => TensorType.F64,
        "I8" => TensorType.I8,
        "I16" => TensorType.I16,
        "I32" => TensorType.I32,
        "I64" => TensorType.I64,
        "U8" => TensorType.U8,
        "U16" => TensorType.U16,
        "U32" => TensorType.U32,
        "U64" => TensorType.U64,
        "BOOL" => TensorType.Bool,
        "F8_E4M3" => TensorType.F8E4M3,
        "F8_E5M2" => TensorType.F8E5M2,
        _ => TensorType.Unsupported,
    };

    /// <summary>The name that a safetensors header uses.</summary>
    public static string Name(this TensorType type) => type switch
    {
        TensorType.Bool => "BOOL",
        TensorType.F8E4M3 => "F8_E4M3",
        TensorType.F8E5M2 => "F8_E5M2",
        TensorType.Unsupported => throw new ArgumentOutOfRangeException(nameof(type), type, "This type has no name of its own."),
        _ => type.ToString(),
    };

    /// <summary>Bytes of one element.</summary>
    public static int Size(this TensorType type) => type switch
    {
        TensorType.F64 or TensorType.I64 or TensorType.U64 => 8,
        TensorType.F32 or TensorType.I32 or TensorType.U32 => 4,
        TensorType.BF16 or TensorType.F16 or TensorType.I16 or TensorType.U16 => 2,
        TensorType.I8 or TensorType.U8 or TensorType.Bool or TensorType.F8E4M3 or TensorType.F8E5M2 => 1,
        _ => throw new ArgumentOutOfRangeException(nameof(type), type, "The size of this type is not known."),
    };
}
