using Loire.Cuda;
using Loire.Kernels;

namespace Loire.Engine.Backends.Cuda.Weights;

/// <summary>Where every weight lies in one allocation, before that is made: so that its size is known first.</summary>
internal sealed class WeightLayout(ElementType type)
{
    private readonly List<WeightPart> _parts = [];

    public ElementType Type => type;

    public IReadOnlyList<WeightPart> Parts => _parts;

    public long Bytes { get; private set; }

    /// <summary>Of the allocation, once it is made.</summary>
    public ulong Address { get; set; }

    /// <summary>A matrix of the element type, stacked from tensors of the same width.</summary>
    public WeightRef Matrix(int columns, params ReadOnlySpan<(string Tensor, int Rows)> stacked)
    {
        var first = Bytes;
        var rows = 0L;
        foreach (var (tensor, count) in stacked)
        {
            _parts.Add(new WeightPart(tensor, count, columns, first + (rows * columns * ElementBytes), IsFloat: false));
            rows += count;
        }

        Advance(rows * columns * ElementBytes);
        return new WeightRef(this, first, rows * columns);
    }

    /// <summary>A vector, of the element type or of fp32.</summary>
    public WeightRef Vector(string tensor, int length, bool isFloat)
    {
        var first = Bytes;
        _parts.Add(new WeightPart(tensor, length, null, first, isFloat));
        Advance((long)length * (isFloat ? sizeof(float) : ElementBytes));
        return new WeightRef(this, first, length);
    }

    public int ElementBytes => type is ElementType.BFloat16 ? sizeof(ushort) : sizeof(float);

    private void Advance(long bytes) => Bytes = checked(Bytes + ((bytes + DeviceArena.Alignment - 1) / DeviceArena.Alignment * DeviceArena.Alignment));
}

/// <summary>A tensor and where it goes.</summary>
/// <param name="Tensor">Name.</param>
/// <param name="Rows">Or the length of a vector.</param>
/// <param name="Columns">Null: a vector.</param>
/// <param name="Offset">In bytes.</param>
/// <param name="IsFloat">fp32, whatever the element type is.</param>
internal readonly record struct WeightPart(string Tensor, int Rows, int? Columns, long Offset, bool IsFloat)
{
    public long Count => Rows * (long)(Columns ?? 1);
}

/// <summary>A weight of a layout.</summary>
internal readonly struct WeightRef(WeightLayout layout, long offset, long length)
{
    /// <summary>On the device.</summary>
    public ulong Address => layout.Address + (ulong)offset;

    /// <summary>In elements.</summary>
    public long Length => length;

    public DeviceVector<float> Floats => new(Address, length);
}
