using System.Collections.Immutable;
using System.Runtime.CompilerServices;

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

    /// <summary>Outermost first.</summary>
    public ImmutableArray<long> Shape => _entry.Shape;

    /// <summary>Number of values.</summary>
    public long Count => _entry.Count;

    /// <summary>Length in bytes.</summary>
    public long Bytes => _entry.Length;

    public byte* Address { get; }

    /// <summary>Converts all values; bf16 and f16 widen exactly.</summary>
    /// <exception cref="ArgumentException">The destination is not exactly <see cref="Count"/> long.</exception>
    /// <exception cref="ModelFormatException">The type is none of F32, BF16, F16.</exception>
    public void CopyTo(Span<float> destination)
    {
        if (destination.Length != Count)
        {
            throw new ArgumentException($"Tensor '{Name}' has {Count} values; the destination has room for {destination.Length}.", nameof(destination));
        }

        CopyTo(0, destination);
    }

    /// <summary>Converts the values from <paramref name="start"/> on, as many as the destination holds: for tensors longer than one span.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The tensor ends before the destination.</exception>
    /// <exception cref="ModelFormatException">The type is none of F32, BF16, F16.</exception>
    public void CopyTo(long start, Span<float> destination)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(start);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(start, Count - destination.Length);
        var bytes = new ReadOnlySpan<byte>(Address + (start * ElementSize), destination.Length * ElementSize);
        FloatConversion.Widen(Type, bytes, destination);
    }

    /// <summary>One value, by its row-major index.</summary>
    public float At(long index)
    {
        var value = 0f;
        CopyTo(index, new Span<float>(ref value));
        return value;
    }

    /// <summary>All values as fp32, in a new array.</summary>
    public float[] ToSingleArray()
    {
        var values = new float[Count];
        CopyTo(values);
        return values;
    }

    /// <summary>Token ids or positions, in a new array.</summary>
    /// <exception cref="ModelFormatException">The type is neither I32 nor I64, or a value does not fit.</exception>
    public int[] ToInt32Array()
    {
        if (Type is not (TensorType.I32 or TensorType.I64))
        {
            throw new ModelFormatException(_path, $"tensor '{Name}' has type {Type.Name()}; expected I32 or I64.");
        }

        var values = new int[Count];
        for (var i = 0; i < values.Length; i++)
        {
            var value = Type is TensorType.I32 ? Unsafe.ReadUnaligned<int>(Address + (4L * i)) : Unsafe.ReadUnaligned<long>(Address + (8L * i));
            values[i] = value is >= int.MinValue and <= int.MaxValue
                ? (int)value
                : throw new ModelFormatException(_path, $"tensor '{Name}' holds {value} at {i}, which does not fit 32 bits.");
        }

        return values;
    }

    private int ElementSize => Type switch
    {
        TensorType.F32 => 4,
        TensorType.BF16 or TensorType.F16 => 2,
        _ => throw new ModelFormatException(_path, $"tensor '{Name}' has type {Type.Name()}; expected F32, BF16 or F16."),
    };
}
