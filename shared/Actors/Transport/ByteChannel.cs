using System.Net.Security;
using System.Net.Sockets;

namespace Loire.Actors.Transport;

/// <summary>Bytes both ways: a socket, or TLS over one. One reads and one writes at a time.</summary>
internal abstract class ByteChannel : IDisposable
{
    public abstract ValueTask<int> ReceiveAsync(Memory<byte> buffer, CancellationToken cancellationToken);

    public abstract ValueTask SendAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken);

    /// <summary>Receives into one place and, when that is full, on into the next: at least one byte, unless the other side has closed.</summary>
    public virtual ValueTask<int> ReceiveAsync(ArraySegment<byte> first, ArraySegment<byte> next, CancellationToken cancellationToken) =>
        ReceiveAsync(first, cancellationToken);

    /// <summary>Sends all parts, in order: <paramref name="bytes"/> in all.</summary>
    public virtual async ValueTask SendAsync(List<ArraySegment<byte>> parts, long bytes, CancellationToken cancellationToken)
    {
        foreach (var part in parts)
        {
            await SendAsync(part, cancellationToken).ConfigureAwait(false);
        }
    }

    public abstract void Dispose();
}

internal sealed class SocketChannel(Socket socket) : ByteChannel
{
    private readonly ArraySegment<byte>[] _into = new ArraySegment<byte>[2];

    public override ValueTask<int> ReceiveAsync(Memory<byte> buffer, CancellationToken cancellationToken) =>
        socket.ReceiveAsync(buffer, SocketFlags.None, cancellationToken);

    public override async ValueTask SendAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
    {
        while (bytes.Length > 0)
        {
            bytes = bytes[await socket.SendAsync(bytes, SocketFlags.None, cancellationToken).ConfigureAwait(false)..];
        }
    }

    public override async ValueTask<int> ReceiveAsync(ArraySegment<byte> first, ArraySegment<byte> next, CancellationToken cancellationToken)
    {
        _into[0] = first;
        _into[1] = next;
        return await socket.ReceiveAsync(_into, SocketFlags.None).ConfigureAwait(false);
    }

    public override async ValueTask SendAsync(List<ArraySegment<byte>> parts, long bytes, CancellationToken cancellationToken)
    {
        var sent = await socket.SendAsync(parts, SocketFlags.None).ConfigureAwait(false);
        if (sent != bytes)
        {
            throw new IOException($"{sent:N0} of {bytes:N0} bytes were sent.");
        }
    }

    public override void Dispose() => socket.Dispose();
}

internal sealed class TlsChannel(SslStream stream) : ByteChannel
{
    public override ValueTask<int> ReceiveAsync(Memory<byte> buffer, CancellationToken cancellationToken) => stream.ReadAsync(buffer, cancellationToken);

    public override ValueTask SendAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken) => stream.WriteAsync(bytes, cancellationToken);

    public override void Dispose() => stream.Dispose();
}
