using Loire.Cuda;
using Loire.Engine.Placement;
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

    public int ElementBytes => type is ElementType.BFloat16 ? sizeof(ushort) : sizeof(float);

    /// <summary>A matrix of the element type, stacked from rows of tensors of the same width.</summary>
    public WeightRef Matrix(int columns, params ReadOnlySpan<TensorRows> stacked)
    {
        var first = Bytes;
        var rows = 0L;
        foreach (var part in stacked)
        {
            _parts.Add(new WeightPart(part, columns, 0, columns, first + (rows * columns * ElementBytes), IsFloat: false));
            rows += part.Count;
        }

        Advance(rows * columns * ElementBytes);
        return new WeightRef(this, first, rows * columns);
    }

    /// <summary>A GPU's columns of matrices that are stacked, each as wide as the cut.</summary>
    /// <param name="share">Of the columns.</param>
    /// <param name="cut">Ranges of columns that are not cut any further.</param>
    /// <param name="each">Columns of one of them.</param>
    /// <param name="stacked">Whole rows.</param>
    public WeightRef Columns(GpuShare share, int cut, int each, params ReadOnlySpan<(string Tensor, int Rows)> stacked)
    {
        var (firstOfCut, endOfCut) = share.Of(cut);
        var columns = (endOfCut - firstOfCut) * each;
        var first = Bytes;
        var rows = 0L;
        foreach (var part in stacked)
        {
            _parts.Add(new WeightPart(part, cut * each, firstOfCut * each, columns, first + (rows * columns * ElementBytes), IsFloat: false));
            rows += part.Rows;
        }

        Advance(rows * columns * ElementBytes);
        return new WeightRef(this, first, rows * columns);
    }

    /// <summary>A vector, of the element type or of fp32.</summary>
    public WeightRef Vector(TensorRows elements, bool isFloat)
    {
        var first = Bytes;
        _parts.Add(new WeightPart(elements, null, 0, 1, first, isFloat));
        Advance((long)elements.Count * (isFloat ? sizeof(float) : ElementBytes));
        return new WeightRef(this, first, elements.Count);
    }

    private void Advance(long bytes) => Bytes = checked(Bytes + ((bytes + DeviceArena.Alignment - 1) / DeviceArena.Alignment * DeviceArena.Alignment));
}

/// <summary>A weight of a layout.</summary>
internal readonly struct WeightRef(WeightLayout layout, long offset, long length)
{
    /// <summary>On the device.</summary>
    public ulong Address => layout.Address + (ulong)offset;

    /// <summary>In elements.</summary>
    public long Length => length;

    public DeviceVector<float> Floats => new(Address, length);

    /// <summary>Elements of it, from a first one on.</summary>
    public WeightRef From(long first, long count) => new(layout, offset + (first * layout.ElementBytes), count);
}
