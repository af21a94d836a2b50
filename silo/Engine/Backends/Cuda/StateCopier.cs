using System.Runtime.InteropServices;
using Loire.Cuda;
using Loire.Engine.State;
using Loire.Kernels;

namespace Loire.Engine.Backends.Cuda;

/// <summary>Moves states between device and host beside the steps: on a stream of its own, through pinned memory.</summary>
/// <remarks>
/// Any thread; one at a time. Nothing here waits for steps but as far as the stepping thread has said so (<see cref="ComeAfter"/>): when slots are cleared or copied,
/// and before a state is read that a step under way may change. Writes return when they are on their way, and the next step waits for them on the device (<see cref="Join"/>).
/// </remarks>
internal sealed class StateCopier : IDisposable
{
    /// <summary>Blobs on their way at once: one is copied to pinned memory while others travel.</summary>
    private const int Places = 4;

    /// <summary>From here on a blob is copied by several threads: one alone is slower than the link to the device.</summary>
    private const int WideBytes = 1 << 20;

    private readonly CudaDevice _device;
    private readonly CudaStates _states;
    private readonly PageBlobs _kernel;
    private readonly CudaStream _stream;
    private readonly CudaEvent _before;
    private readonly CudaEvent _written;
    private readonly Place[] _places;
    private readonly Lock _gate = new();
    private int _next;
    private int _hasWritten;

    public StateCopier(CudaDevice device, CudaStates states, PageBlobs kernel)
    {
        _device = device;
        _states = states;
        _kernel = kernel;
        _stream = device.NewStream("state copies");
        _before = device.NewEvent();
        _written = device.NewEvent();
        var pageBytes = states.Shape.KeyValue.Select(layer => (long)layer.BytesPerToken * StateShape.PageTokens).DefaultIfEmpty().Max();
        var bytes = Math.Max(256, Math.Max(pageBytes, states.SlotLength * sizeof(float)));
        _places = [.. Enumerable.Range(0, Places).Select(_ => new Place(device, bytes + sizeof(int)))];
    }

    /// <summary>By the stepping thread: what is read or written from here on comes after all that is enqueued on their stream.</summary>
    public void ComeAfter(CudaStream steps) => steps.Record(_before);

    /// <summary>What is enqueued on the steps' stream from here on comes after all that has been written.</summary>
    public void Join(CudaStream steps)
    {
        if (Interlocked.Exchange(ref _hasWritten, 0) != 0)
        {
            steps.Wait(_written);
        }
    }

    public void ReadRecurrent(int layer, int slot, Span<byte> blob)
    {
        lock (_gate)
        {
            var place = Enter();
            _stream.Copy(_states.RecurrentOf(layer, slot), place.Host, 0);
            _stream.Synchronize();
            place.Host.Span<byte>(0, blob.Length).CopyTo(blob);
        }
    }

    public void WriteRecurrent(int layer, int slot, ReadOnlySpan<byte> blob)
    {
        lock (_gate)
        {
            var place = Enter();
            Copy(blob, place.Host.Span<byte>(0, blob.Length));
            _stream.Copy(place.Host, 0, _states.RecurrentOf(layer, slot));
            Leave(place);
        }
    }

    /// <param name="layer">Softmax layer.</param>
    /// <param name="page">Number.</param>
    /// <param name="tokens">The first so many of the page.</param>
    /// <param name="keys">fp32 <c>[heads, tokens, headDim]</c> of the heads that are here.</param>
    /// <param name="values">The same.</param>
    public void ReadKeyValues(int layer, int page, int tokens, Span<byte> keys, Span<byte> values)
    {
        lock (_gate)
        {
            var place = Enter();
            var bytes = keys.Length + values.Length;
            var (pages, numbers) = Stage(place, layer, page, bytes);
            _kernel.EnqueueExport(_stream, _states.PagesOf(layer), pages, numbers, tokens);
            _stream.Copy(new DeviceVector<byte>(numbers.Address, bytes), place.Host, 0);
            _stream.Synchronize();
            place.Host.Span<byte>(0, keys.Length).CopyTo(keys);
            place.Host.Span<byte>(keys.Length, values.Length).CopyTo(values);
        }
    }

    /// <summary>The reverse of <see cref="ReadKeyValues"/>.</summary>
    public void WriteKeyValues(int layer, int page, int tokens, ReadOnlySpan<byte> keys, ReadOnlySpan<byte> values)
    {
        lock (_gate)
        {
            var place = Enter();
            var bytes = keys.Length + values.Length;
            Copy(keys, place.Host.Span<byte>(0, keys.Length));
            Copy(values, place.Host.Span<byte>(keys.Length, values.Length));
            var (pages, numbers) = Stage(place, layer, page, bytes);
            _stream.Copy(place.Host, 0, new DeviceVector<byte>(numbers.Address, bytes));
            _kernel.EnqueueImport(_stream, _states.PagesOf(layer), pages, numbers, tokens);
            Leave(place);
        }
    }

    public void Dispose()
    {
        _stream.Dispose();
        _before.Dispose();
        _written.Dispose();
        Array.ForEach(_places, place => place.Dispose());
    }

    private static unsafe void Copy(ReadOnlySpan<byte> from, Span<byte> to)
    {
        if (from.Length < WideBytes)
        {
            from.CopyTo(to);
            return;
        }

        fixed (byte* source = from, target = to)
        {
            var (sourceAddress, targetAddress, length) = ((nint)source, (nint)target, from.Length);
            var piece = (length + Places - 1) / Places;
            Parallel.For(0, Places, i =>
            {
                var first = Math.Min(length, i * piece);
                var count = Math.Min(piece, length - first);
                Buffer.MemoryCopy((byte*)sourceAddress + first, (byte*)targetAddress + first, count, count);
            });
        }
    }

    /// <summary>Memory that nothing on its way uses any more.</summary>
    private Place Enter()
    {
        _device.MakeCurrent();
        _stream.Wait(_before);
        var place = _places[_next++ % Places];
        place.Done.Synchronize();
        return place;
    }

    private void Leave(Place place)
    {
        _stream.Record(place.Done);
        _stream.Record(_written);
        Volatile.Write(ref _hasWritten, 1);
    }

    /// <summary>The page's number on the device, and a row for its blob.</summary>
    private (DeviceVector<int> Page, DeviceMatrix<float> Blob) Stage(Place place, int layer, int page, int bytes)
    {
        var behind = place.Staged.Bytes - sizeof(int);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(bytes, behind, nameof(bytes));
        MemoryMarshal.Write(place.Host.Span<byte>(behind, sizeof(int)), page);
        var number = new DeviceVector<int>(place.Staged.Address + (ulong)behind, 1);
        _stream.Copy(place.Host, behind, number);
        return (number, new DeviceMatrix<float>(place.Staged.Address, 1, PageBlobs.BlobLength(_states.PagesOf(layer))));
    }

    /// <summary>Memory of one blob on its way.</summary>
    private sealed class Place(CudaDevice device, long bytes) : IDisposable
    {
        public DeviceMemory Staged { get; } = device.Allocate(bytes, "copies of states");

        public PinnedMemory Host { get; } = device.AllocatePinned(bytes, "copies of states");

        public CudaEvent Done { get; } = device.NewEvent();

        public void Dispose()
        {
            Staged.Dispose();
            Host.Dispose();
            Done.Dispose();
        }
    }
}
