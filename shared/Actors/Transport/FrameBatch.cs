using Loire.Actors.Serialization;

namespace Loire.Actors.Transport;

/// <summary>Frames that go to the other side in one system call. The writer of a connection owns it.</summary>
/// <remarks>Small frames are copied behind one another; a larger one, and the arrays that follow it, are handed over where they are.</remarks>
internal sealed class FrameBatch
{
    // Smaller frames are cheaper to copy than to describe.
    private const int CopiedBytes = 2 << 10;

    private readonly List<WireWriter> _frames = [];
    private readonly List<ArraySegment<byte>> _parts = [];

    /// <summary>How many bytes the frames have.</summary>
    public long Bytes { get; private set; }

    public bool IsEmpty => _frames.Count == 0;

    /// <summary>Adds a frame behind the others.</summary>
    public void Add(WireWriter frame)
    {
        Bytes += frame.TotalLength;
        if (_frames.Count > 0 && _frames[^1].Attached.Count == 0 && frame.Attached.Count == 0 && frame.Length <= CopiedBytes)
        {
            _frames[^1].Raw(frame.Written);
            Frame.Free(frame);
        }
        else
        {
            _frames.Add(frame);
        }
    }

    /// <summary>Sends all, in order.</summary>
    public ValueTask SendAsync(ByteChannel channel, CancellationToken cancellationToken)
    {
        if (_frames is [{ Attached.Count: 0 } only])
        {
            return channel.SendAsync(only.Memory, cancellationToken);
        }

        foreach (var frame in _frames)
        {
            _parts.Add(new ArraySegment<byte>(frame.Buffer, 0, frame.Length));
            foreach (var array in frame.Attached)
            {
                _parts.Add(array);
            }
        }

        return channel.SendAsync(_parts, Bytes, cancellationToken);
    }

    /// <summary>Takes the frames back when they were sent.</summary>
    public void Clear()
    {
        foreach (var frame in _frames)
        {
            Frame.Free(frame);
        }

        _frames.Clear();
        _parts.Clear();
        Bytes = 0;
    }
}
