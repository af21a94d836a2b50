using System.Runtime.InteropServices;
using Loire.Cuda;
using Loire.Engine.State;
using Loire.Kernels;

namespace Loire.Engine.Backends.Cuda;

/// <summary>Moves states between device and host beside the steps: on a stream of its own, through pinned memory.</summary>
/// <remarks>
/// Any thread; one at a time. What a step has written is there when the step has ended, so that nothing here waits for the steps' stream,
/// but for slots that are cleared on it.
/// </remarks>
internal sealed class StateCopier : IDisposable
{
    private readonly CudaDevice _device;
    private readonly CudaStates _states;
    private readonly PageBlobs _kernel;
    private readonly CudaStream _stream;
    private readonly CudaEvent _cleared;
    private readonly DeviceMemory _staged;
    private readonly PinnedMemory _host;
    private readonly Lock _gate = new();

    public StateCopier(CudaDevice device, CudaStates states, PageBlobs kernel)
    {
        _device = device;
        _states = states;
        _kernel = kernel;
        _stream = device.NewStream("state copies");
        _cleared = device.NewEvent();
        var pageBytes = states.Shape.KeyValue.Select(layer => (long)layer.BytesPerToken * StateShape.PageTokens).DefaultIfEmpty().Max();
        var bytes = Math.Max(256, Math.Max(pageBytes, states.SlotLength * sizeof(float)));
        _staged = device.Allocate(bytes + sizeof(int), "copies of states");
        _host = device.AllocatePinned(bytes + sizeof(int), "copies of states");
    }

    /// <summary>Between two steps, on their stream: what is written afterwards comes after it.</summary>
    public void NoteCleared(CudaStream steps) => steps.Record(_cleared);

    public void ReadRecurrent(int layer, int slot, Span<byte> blob)
    {
        lock (_gate)
        {
            Enter();
            _stream.Copy(_states.RecurrentOf(layer, slot), _host, 0);
            _stream.Synchronize();
            _host.Span<byte>(0, blob.Length).CopyTo(blob);
        }
    }

    public void WriteRecurrent(int layer, int slot, ReadOnlySpan<byte> blob)
    {
        lock (_gate)
        {
            Enter();
            blob.CopyTo(_host.Span<byte>(0, blob.Length));
            _stream.Copy(_host, 0, _states.RecurrentOf(layer, slot));
            _stream.Synchronize();
        }
    }

    public void ReadKeyValues(int layer, int page, int tokens, Span<byte> blob)
    {
        lock (_gate)
        {
            Enter();
            var (pages, numbers) = Stage(layer, page, blob.Length);
            _kernel.EnqueueExport(_stream, _states.PagesOf(layer), pages, numbers, tokens);
            _stream.Copy(new DeviceVector<byte>(numbers.Address, blob.Length), _host, 0);
            _stream.Synchronize();
            _host.Span<byte>(0, blob.Length).CopyTo(blob);
        }
    }

    public void WriteKeyValues(int layer, int page, int tokens, ReadOnlySpan<byte> blob)
    {
        lock (_gate)
        {
            Enter();
            blob.CopyTo(_host.Span<byte>(0, blob.Length));
            var (pages, numbers) = Stage(layer, page, blob.Length);
            _stream.Copy(_host, 0, new DeviceVector<byte>(numbers.Address, blob.Length));
            _kernel.EnqueueImport(_stream, _states.PagesOf(layer), pages, numbers, tokens);
            _stream.Synchronize();
        }
    }

    public void Dispose()
    {
        _stream.Dispose();
        _cleared.Dispose();
        _staged.Dispose();
        _host.Dispose();
    }

    private void Enter()
    {
        _device.MakeCurrent();
        _stream.Wait(_cleared);
    }

    /// <summary>The page's number on the device, and a row for its blob.</summary>
    private (DeviceVector<int> Page, DeviceMatrix<float> Blob) Stage(int layer, int page, int bytes)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(bytes, _staged.Bytes - sizeof(int), nameof(bytes));
        var place = _staged.Bytes - sizeof(int);
        MemoryMarshal.Write(_host.Span<byte>(place, sizeof(int)), page);
        var number = new DeviceVector<int>(_staged.Address + (ulong)place, 1);
        _stream.Copy(_host, place, number);
        return (number, new DeviceMatrix<float>(_staged.Address, 1, PageBlobs.BlobLength(_states.PagesOf(layer))));
    }
}
