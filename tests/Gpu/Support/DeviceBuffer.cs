using Loire.Cuda;

namespace Loire.Gpu.Tests;

/// <summary>A matrix on the device, for a test. Behind it lies a guard: a kernel that writes past its end is found out.</summary>
public sealed class DeviceBuffer<T> : IDisposable
    where T : unmanaged
{
    private const int GuardBytes = 512;
    private readonly Gpu _gpu;
    private readonly DeviceMemory _memory;
    private bool _disposed;

    internal DeviceBuffer(Gpu gpu, long rows, long columns)
    {
        _gpu = gpu;
        Rows = rows;
        Columns = columns;
        _memory = gpu.Device.Allocate(Math.Max(Bytes, 1) + GuardBytes, "a test");
        Poison();
    }

    public long Rows { get; }

    public long Columns { get; }

    public DeviceMatrix<T> Matrix => new(_memory.Address, Rows, Columns);

    public DeviceVector<T> Vector => new(_memory.Address, Rows * Columns);

    public ulong Address => _memory.Address;

    private unsafe long Bytes => Rows * Columns * sizeof(T);

    /// <summary>One row, as a matrix.</summary>
    public DeviceMatrix<T> Row(long row) => Matrix.Row(row);

    /// <summary>Sets every bit again.</summary>
    public void Poison() => _gpu.Stream.Fill(_memory.AsVector<byte>(), 0xFF);

    /// <summary>What is there after all that the test's stream has to do. Fails if the guard was written to.</summary>
    public T[] Download()
    {
        var values = new T[Rows * Columns];
        if (values.Length > 0)
        {
            _gpu.Stream.Download(Vector, values.AsSpan());
        }

        var guard = new byte[GuardBytes];
        _gpu.Stream.Download(_memory.AsVector<byte>().Slice(Bytes, GuardBytes), guard.AsSpan());
        var written = guard.AsSpan().IndexOfAnyExcept((byte)0xFF);
        Assert.True(written < 0, $"A kernel has written {written} bytes past the end of a [{Rows}, {Columns}] buffer.");
        return values;
    }

    public void Dispose()
    {
        if (!_disposed)
        {
            _disposed = true;
            _memory.Dispose();
            _gpu.Forget();
        }
    }
}
