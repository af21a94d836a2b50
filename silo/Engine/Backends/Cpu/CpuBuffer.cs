using System.Runtime.InteropServices;

namespace Loire.Engine.Backends.Cpu;

/// <summary>Zeroed memory outside the managed heap, aligned to a cache line; pages of it are backed only once touched.</summary>
/// <typeparam name="T">Element.</typeparam>
internal sealed unsafe class CpuBuffer<T> : IDisposable
    where T : unmanaged
{
    private const int Alignment = 64;
    private const nint HugePage = 2 << 20;
    private nint _address;

    /// <param name="length">In elements.</param>
    /// <param name="isCommitted">Whether all of it is backed at once.</param>
    public CpuBuffer(long length, bool isCommitted = false)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        Length = length;
        Bytes = checked((nint)(Math.Max(length, 1) * sizeof(T)));
        if (Bytes >= HugePage)
        {
            // calloc of a large block maps fresh zero pages and touches none of them; the slack aligns by hand.
            _block = (nint)NativeMemory.AllocZeroed((nuint)(Bytes + Alignment));
            _address = (_block + Alignment - 1) & ~(nint)(Alignment - 1);
        }
        else
        {
            _block = (nint)NativeMemory.AlignedAlloc((nuint)Bytes, Alignment);
            _address = _block;
            NativeMemory.Clear((void*)_block, (nuint)Bytes);
        }

        GC.AddMemoryPressure(Bytes);
        if (isCommitted)
        {
            Commit();
        }
    }

    private readonly nint _block;

    ~CpuBuffer() => Free();

    /// <summary>In elements.</summary>
    public long Length { get; }

    public nint Bytes { get; }

    public T* Pointer => _address != 0 ? (T*)_address : throw new ObjectDisposedException(nameof(CpuBuffer<>));

    public void Dispose()
    {
        Free();
        GC.SuppressFinalize(this);
    }

    private void Commit()
    {
        for (nint offset = 0; offset < Bytes; offset += Environment.SystemPageSize)
        {
            Volatile.Write(ref *(byte*)(_address + offset), 0);
        }
    }

    private void Free()
    {
        if (Interlocked.Exchange(ref _address, 0) == 0)
        {
            return;
        }

        if (Bytes >= HugePage)
        {
            NativeMemory.Free((void*)_block);
        }
        else
        {
            NativeMemory.AlignedFree((void*)_block);
        }

        GC.RemoveMemoryPressure(Bytes);
    }
}
