using Loire.Cuda;
using Loire.Engine.Placement;
using Loire.Kernels;

namespace Loire.Engine.Backends.Cuda.Weights;

/// <summary>Where every weight lies in one allocation, before that is made: so that its size is known first.</summary>
internal sealed class WeightLayout(ElementType type, WeightType experts = WeightType.Element)
{
    private readonly List<WeightPart> _parts = [];

    public ElementType Type => type;

    public IReadOnlyList<WeightPart> Parts => _parts;

    public long Bytes { get; private set; }

    /// <summary>Of the allocation, once it is made.</summary>
    public ulong Address { get; set; }

    public int ElementBytes => type is ElementType.BFloat16 ? sizeof(ushort) : sizeof(float);

    /// <summary>A matrix of the element type, stacked from rows of tensors of the same width.</summary>
    public WeightRef Matrix(int columns, params ReadOnlySpan<TensorRows> stacked) => Stack(new(columns, 0, columns), stacked, WeightType.Element).Weights;

    /// <summary>A GPU's columns of matrices that are stacked, each as wide as the cut.</summary>
    /// <param name="share">Of the columns.</param>
    /// <param name="cut">Ranges of columns that are not cut any further.</param>
    /// <param name="each">Columns of one of them.</param>
    /// <param name="stacked">Whole rows.</param>
    public WeightRef Columns(GpuShare share, int cut, int each, params ReadOnlySpan<TensorRows> stacked) => Stack(ColumnRange.Of(share, cut, each), stacked, WeightType.Element).Weights;

    /// <summary>Matrices of experts. Each part is one of its own: its blocks of a scale begin with what is held of it.</summary>
    public ScaledRef ExpertMatrices(int columns, params ReadOnlySpan<TensorRows> stacked) => Stack(new(columns, 0, columns), stacked, experts);

    /// <summary>A GPU's columns of matrices of experts.</summary>
    public ScaledRef ExpertColumns(GpuShare share, int width, params ReadOnlySpan<TensorRows> stacked) => Stack(ColumnRange.Of(share, width, 1), stacked, experts);

    /// <summary>A vector, of the element type or of fp32.</summary>
    public WeightRef Vector(TensorRows elements, bool isFloat)
    {
        var first = Bytes;
        _parts.Add(new WeightPart(elements, null, 0, 1, first, isFloat));
        Advance((long)elements.Count * (isFloat ? sizeof(float) : ElementBytes));
        return new WeightRef(this, first, elements.Count);
    }

    private ScaledRef Stack(ColumnRange columns, ReadOnlySpan<TensorRows> stacked, WeightType weights)
    {
        var (elements, blocks) = (0L, 0L);
        foreach (var part in stacked)
        {
            elements += (long)part.Count * columns.Count;
            blocks += BlockScales.CountOf(part.Count, columns.Count);
        }

        var isScaled = weights is WeightType.Float8;
        var elementBytes = isScaled ? sizeof(byte) : ElementBytes;
        var at = Bytes;
        Advance(elements * elementBytes);
        var scaleAt = Bytes;
        Advance(isScaled ? blocks * sizeof(float) : 0);
        var found = new ScaledRef(new(this, at, elements), isScaled ? new(this, scaleAt, blocks) : null);
        foreach (var part in stacked)
        {
            _parts.Add(new WeightPart(part, columns.Total, columns.First, columns.Count, at, IsFloat: false) { ScaleOffset = isScaled ? scaleAt : null });
            at += (long)part.Count * columns.Count * elementBytes;
            scaleAt += BlockScales.CountOf(part.Count, columns.Count) * sizeof(float);
        }

        return found;
    }

    private void Advance(long bytes) => Bytes = checked(Bytes + ((bytes + DeviceArena.Alignment - 1) / DeviceArena.Alignment * DeviceArena.Alignment));
}

/// <summary>Weights, and where they have 8 bits their scales.</summary>
internal readonly record struct ScaledRef(WeightRef Weights, WeightRef? Scales);

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
