namespace Loire.Cuda;

/// <summary>A view of numbers on a device, one after the other. Valid as long as what it was taken from; never kept past a step.</summary>
/// <param name="Address">On the device.</param>
/// <param name="Length">In elements.</param>
public readonly record struct DeviceVector<T>(ulong Address, long Length)
    where T : unmanaged
{
    public unsafe long Bytes => Length * sizeof(T);

    /// <exception cref="ArgumentOutOfRangeException">It does not lie inside.</exception>
    public unsafe DeviceVector<T> Slice(long first, long length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(first);
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(first, Length - length);
        return new DeviceVector<T>(Address + (ulong)(first * sizeof(T)), length);
    }

    public DeviceMatrix<T> AsMatrix(long rows, long columns)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(checked(rows * columns), Length);
        return new DeviceMatrix<T>(Address, rows, columns);
    }
}

/// <summary>A view of a matrix on a device: row-major, contiguous.</summary>
/// <param name="Address">On the device.</param>
/// <param name="Rows">Count.</param>
/// <param name="Columns">Count; also the distance between rows, in elements.</param>
public readonly record struct DeviceMatrix<T>(ulong Address, long Rows, long Columns)
    where T : unmanaged
{
    public long Length => Rows * Columns;

    public unsafe long Bytes => Length * sizeof(T);

    public DeviceVector<T> AsVector() => new(Address, Length);

    /// <exception cref="ArgumentOutOfRangeException">They do not lie inside.</exception>
    public unsafe DeviceMatrix<T> Slice(long firstRow, long rows)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(firstRow);
        ArgumentOutOfRangeException.ThrowIfNegative(rows);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(firstRow, Rows - rows);
        return new DeviceMatrix<T>(Address + (ulong)(firstRow * Columns * sizeof(T)), rows, Columns);
    }

    /// <summary>One row, as a matrix.</summary>
    public DeviceMatrix<T> Row(long row) => Slice(row, 1);
}
