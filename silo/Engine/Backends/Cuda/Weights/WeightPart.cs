using Loire.Engine.Placement;

namespace Loire.Engine.Backends.Cuda.Weights;

/// <summary>Rows of a tensor that a device holds, or elements of a vector.</summary>
/// <param name="Tensor">Name.</param>
/// <param name="Total">Rows of the tensor.</param>
/// <param name="First">First of those that are held.</param>
/// <param name="Count">How many are held.</param>
internal readonly record struct TensorRows(string Tensor, int Total, int First, int Count)
{
    public static implicit operator TensorRows((string Tensor, int Rows) whole) => new(whole.Tensor, whole.Rows, 0, whole.Rows);

    /// <summary>A GPU's range, where a row of the cut stands for <paramref name="each"/> rows of the tensor.</summary>
    public static TensorRows Of(GpuShare share, string tensor, int cut, int each = 1)
    {
        var (first, end) = share.Of(cut);
        return new(tensor, cut * each, first * each, (end - first) * each);
    }
}

/// <summary>Columns of a tensor that a device holds.</summary>
/// <param name="Total">Of the tensor.</param>
/// <param name="First">First of those that are held.</param>
/// <param name="Count">How many are held.</param>
internal readonly record struct ColumnRange(int Total, int First, int Count)
{
    /// <summary>A GPU's range, where one of the cut stands for <paramref name="each"/> columns.</summary>
    public static ColumnRange Of(GpuShare share, int cut, int each)
    {
        var (first, end) = share.Of(cut);
        return new(cut * each, first * each, (end - first) * each);
    }
}

/// <summary>A block of a tensor and where it goes: some of its rows, and of those some columns.</summary>
/// <param name="Rows">Which.</param>
/// <param name="TotalColumns">Of the tensor; null: a vector.</param>
/// <param name="FirstColumn">First of those that are held.</param>
/// <param name="Columns">How many are held, side by side on the device.</param>
/// <param name="Offset">In bytes.</param>
/// <param name="IsFloat">fp32, whatever the element type is.</param>
internal readonly record struct WeightPart(TensorRows Rows, int? TotalColumns, int FirstColumn, int Columns, long Offset, bool IsFloat)
{
    public string Tensor => Rows.Tensor;

    /// <summary>Of the scales of its blocks, in bytes, where it is held in 8 bits.</summary>
    public long? ScaleOffset { get; init; }

    /// <summary>Elements that are held.</summary>
    public long Count => Rows.Count * (long)Columns;

    /// <summary>Whole rows are held: the block is one run of the tensor's elements.</summary>
    public bool IsContiguous => TotalColumns is null || Columns == TotalColumns;

    /// <summary>Place of the block's first element in the tensor.</summary>
    public long FirstElement => (Rows.First * (long)(TotalColumns ?? 1)) + FirstColumn;
}
