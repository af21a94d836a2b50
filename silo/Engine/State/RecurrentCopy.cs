using System.Buffers;
using Loire.Engine.Backends;

namespace Loire.Engine.State;

/// <summary>The recurrent states of one slot at one time. Read by one thread, any; disposed when nobody reads it any more.</summary>
internal abstract class RecurrentCopy : IDisposable
{
    /// <summary>One layer's, in the canonical layout.</summary>
    /// <exception cref="ArgumentException">The layer has none.</exception>
    public abstract void Read(int layer, Span<byte> blob);

    public void Dispose()
    {
        Dispose(disposing: true);
        GC.SuppressFinalize(this);
    }

    protected abstract void Dispose(bool disposing);
}

/// <summary>A copy that is made at once, in memory of the pool.</summary>
internal sealed class RecurrentCopyInMemory : RecurrentCopy
{
    private readonly StateShape _shape;
    private byte[]? _bytes;

    public RecurrentCopyInMemory(IBackend backend, int slot)
    {
        _shape = backend.State;
        var bytes = ArrayPool<byte>.Shared.Rent((int)Math.Max(1, _shape.RecurrentBytes));
        try
        {
            backend.ReadRecurrent(slot, bytes.AsSpan(0, (int)_shape.RecurrentBytes));
        }
        catch
        {
            ArrayPool<byte>.Shared.Return(bytes);
            throw;
        }

        _bytes = bytes;
    }

    public override void Read(int layer, Span<byte> blob)
    {
        ObjectDisposedException.ThrowIf(_bytes is null, this);
        var offset = 0;
        foreach (var (index, bytes) in _shape.Recurrent)
        {
            if (index == layer)
            {
                _bytes.AsSpan(offset, bytes).CopyTo(blob);
                return;
            }

            offset += bytes;
        }

        throw new ArgumentException($"Layer {layer} has no recurrent state.", nameof(layer));
    }

    protected override void Dispose(bool disposing)
    {
        if (Interlocked.Exchange(ref _bytes, null) is { } returned)
        {
            ArrayPool<byte>.Shared.Return(returned);
        }
    }
}
