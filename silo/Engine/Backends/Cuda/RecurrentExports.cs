using Loire.Cuda;
using Loire.Engine.State;

namespace Loire.Engine.Backends.Cuda;

/// <summary>Copies whole recurrent states off the device without holding up the steps.</summary>
/// <remarks>
/// Between two steps a slot is copied within the device, which takes microseconds; from there it goes to the host on another stream, beside the steps.
/// At most <see cref="Most"/> are on their way or not yet read; one more is copied at once, and the step waits for it.
/// </remarks>
internal sealed class RecurrentExports : IDisposable
{
    public const int Most = 8;

    private readonly CudaDevice _device;
    private readonly CudaStates _states;
    private readonly CudaStream _stream;
    private readonly Stack<Place> _free = new();
    private readonly List<Place> _all = [];
    private readonly Lock _gate = new();

    public RecurrentExports(CudaDevice device, CudaStates states)
    {
        _device = device;
        _states = states;
        _stream = device.NewStream("state exports");
    }

    private long Bytes => _states.LayerCount * _states.SlotLength * sizeof(float);

    /// <summary>Between two steps, by their thread.</summary>
    /// <returns>Null: too many are on their way, or there is no recurrent state.</returns>
    public RecurrentCopy? TryBegin(CudaStream steps, int slot)
    {
        if (Bytes == 0 || Lease() is not { } place)
        {
            return null;
        }

        var target = place.Device.AsVector<float>();
        steps.Wait(place.Arrived); // of the copy before, should nobody have waited for it
        for (var layer = 0; layer < _states.LayerCount; layer++)
        {
            steps.Copy(
                _states.Recurrent.Slice((layer * _states.LayerStride) + (slot * _states.SlotLength), _states.SlotLength),
                target.Slice(layer * _states.SlotLength, _states.SlotLength));
        }

        steps.Record(place.Copied);
        _stream.Wait(place.Copied);
        _stream.Copy(target, place.Host, 0);
        _stream.Record(place.Arrived);
        return new Copy(this, place);
    }

    public void Dispose()
    {
        _stream.Synchronize();
        _all.ForEach(place => place.Dispose());
        _stream.Dispose();
    }

    private Place? Lease()
    {
        lock (_gate)
        {
            if (_free.TryPop(out var free))
            {
                return free;
            }

            if (_all.Count == Most)
            {
                return null;
            }
        }

        var made = new Place(_device, Bytes); // a few times in the life of a replica
        lock (_gate)
        {
            _all.Add(made);
        }

        return made;
    }

    private void Return(Place place)
    {
        lock (_gate)
        {
            _free.Push(place);
        }
    }

    /// <summary>Memory of one copy on its way.</summary>
    private sealed class Place(CudaDevice device, long bytes) : IDisposable
    {
        public DeviceMemory Device { get; } = device.Allocate(bytes, "a copy of a recurrent state");

        public PinnedMemory Host { get; } = device.AllocatePinned(bytes, "a copy of a recurrent state");

        public CudaEvent Copied { get; } = device.NewEvent();

        public CudaEvent Arrived { get; } = device.NewEvent();

        public void Dispose()
        {
            Device.Dispose();
            Host.Dispose();
            Copied.Dispose();
            Arrived.Dispose();
        }
    }

    private sealed class Copy(RecurrentExports owner, Place place) : RecurrentCopy
    {
        private Place? _place = place;

        public override void Read(int layer, Span<byte> blob)
        {
            ObjectDisposedException.ThrowIf(_place is null, this);
            owner._device.MakeCurrent();
            _place.Arrived.Synchronize();
            _place.Host.Span<byte>(OffsetOf(layer), blob.Length).CopyTo(blob);
        }

        protected override void Dispose(bool disposing)
        {
            if (Interlocked.Exchange(ref _place, null) is { } returned)
            {
                owner.Return(returned);
            }
        }

        private long OffsetOf(int layer)
        {
            var offset = 0L;
            foreach (var (index, bytes) in owner._states.Shape.Recurrent)
            {
                if (index == layer)
                {
                    return offset;
                }

                offset += bytes;
            }

            throw new ArgumentException($"Layer {layer} has no recurrent state.", nameof(layer));
        }
    }
}
