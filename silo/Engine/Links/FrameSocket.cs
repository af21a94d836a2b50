using System.Net.Sockets;

namespace Loire.Engine.Links;

/// <summary>Frames over a socket, blocking: the threads at both ends have nothing else to do. One sends and one receives at a time.</summary>
internal sealed class FrameSocket : IDisposable
{
    private readonly Socket _socket;
    private long _sent;
    private long _received;

    public FrameSocket(Socket socket)
    {
        _socket = socket;
        socket.NoDelay = true;
    }

    /// <summary>With their heads.</summary>
    public long BytesSent => Volatile.Read(ref _sent);

    public long BytesReceived => Volatile.Read(ref _received);

    /// <summary>How long a call may wait for the other end.</summary>
    public TimeSpan Patience
    {
        set => _socket.ReceiveTimeout = _socket.SendTimeout = (int)value.TotalMilliseconds;
    }

    /// <summary>Seals the frame and sends it whole.</summary>
    public void Send(PinnedBuffer frame, FrameKind kind, uint request)
    {
        frame.Seal(kind, request);
        var left = frame.Frame.Span;
        Volatile.Write(ref _sent, _sent + left.Length);
        while (left.Length > 0)
        {
            left = left[_socket.Send(left, SocketFlags.None)..];
        }
    }

    /// <summary>Receives the next frame into the buffer and checks it.</summary>
    /// <exception cref="IOException">The other end has closed the link, or what came is no frame.</exception>
    /// <exception cref="SocketException">The link is broken.</exception>
    public FrameHead Receive(PinnedBuffer into, int maxPayload)
    {
        into.Clear();
        Fill(into.Head);
        var head = FrameHead.Read(into.Head, maxPayload);
        into.Resize(head.Length);
        Fill(into.Payload);
        FrameHead.Check(into.Head, into.Payload);
        Volatile.Write(ref _received, _received + FrameHead.Bytes + head.Length);
        return head;
    }

    public void Dispose() => _socket.Dispose();

    private void Fill(Span<byte> bytes)
    {
        while (bytes.Length > 0)
        {
            var count = _socket.Receive(bytes, SocketFlags.None);
            bytes = count > 0 ? bytes[count..] : throw new EndOfStreamException("The other end has closed the link.");
        }
    }
}
