using System.Collections.Immutable;

namespace Loire.Engine.Weights;

/// <summary>A tensor's bytes in a mapped file: row-major, little-endian, read-only.</summary>
/// <remarks>Valid until the file or weight source that gave it is disposed. The address may be unaligned for the type.</remarks>
public readonly unsafe struct TensorView
{
    private readonly TensorEntry _entry;
    private readonly string _path;

    internal TensorView(TensorEntry entry, string path, byte* address)
    {
        _entry = entry;
        _path = path;
        Address = address;
    }

    public string Name => _entry.Name;

    public TensorType Type => _entry.Type;

    public ImmutableArray<long> Shape => _entry.Shape;

    /// <summary>Number of values.</summary>
    public long Count => _entry.Count;

    /// <summary>Length in bytes.</summary>
    public long Bytes => _entry.Length;

    public byte* Address { get; }

    /// <summary>Converts all values; bf16 and f16 widen exactly.</summary>
    /// <exception cref="ArgumentException">The destination is not exactly <see cref="Count"/> long.</exception>
    /// <exception cref="ModelFormatException">The type is none of F32, BF16, F16.</exception>
    public void CopyTo(Span<float> destination) => throw new NotImplementedException();

    /// <summary>Converts the values from <paramref name="start"/> on, as many as the destination holds: for tensors longer than one span.</summary>
    public void CopyTo(long start, Span<float> destination) => throw new NotImplementedException();

    /// <summary>One value, by its row-major index.</summary>
    public float At(long index) => throw new NotImplementedException();

    /// <summary>Reads an I32 or I64 tensor of token ids or positions.</summary>
    public int[] ToInt32Array() => throw new NotImplementedException();

    /// <summary>All values as fp32, in a new array.</summary>
    public float[] ToSingleArray() => throw new NotImplementedException();
}
