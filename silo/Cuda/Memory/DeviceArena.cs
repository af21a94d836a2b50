namespace Loire.Cuda;

/// <summary>Cuts one allocation into views, front to back. Nothing is given back before the arena is disposed.</summary>
/// <remarks>One owner, one thread. Views begin at multiples of <see cref="Alignment"/> bytes.</remarks>
public sealed class DeviceArena(CudaDevice device, long bytes, string what, string? remedy = null) : IDisposable
{
    /// <summary>Of each view, in bytes: whole sectors, and any vector load.</summary>
    public const int Alignment = 256;

    private readonly DeviceMemory _memory = device.Allocate(Math.Max(bytes, Alignment), what, remedy);

    public long Bytes => _memory.Bytes;

    public long Used { get; private set; }

    /// <summary>What a view of that many elements takes of an arena.</summary>
    public static unsafe long Footprint<T>(long length)
        where T : unmanaged => checked((length * sizeof(T)) + Alignment - 1) / Alignment * Alignment;

    /// <exception cref="InvalidOperationException">The arena was planned too small: a defect of the plan.</exception>
    public DeviceVector<T> Take<T>(long length)
        where T : unmanaged
    {
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        var footprint = Footprint<T>(length);
        if (footprint > Bytes - Used)
        {
            throw new InvalidOperationException($"{ByteText.Of(footprint)} is taken of the arena for {what}, and {ByteText.Of(Bytes - Used)} of {ByteText.Of(Bytes)} is left.");
        }

        var view = new DeviceVector<T>(_memory.Address + (ulong)Used, length);
        Used += footprint;
        return view;
    }

    public DeviceMatrix<T> Take<T>(long rows, long columns)
        where T : unmanaged => Take<T>(checked(rows * columns)).AsMatrix(rows, columns);

    public void Dispose() => _memory.Dispose();
}
