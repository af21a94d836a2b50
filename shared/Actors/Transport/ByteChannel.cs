using System.Net.Security;
using System.Net.Sockets;

namespace Loire.Actors.Transport;

/// <summary>Bytes both ways: a socket, or TLS over one. One reads and one writes at a time.</summary>
internal abstract class ByteChannel : IDisposable
{
    public abstract ValueTask<int> ReceiveAsync(Memory<byte> buffer, CancellationToken cancellationToken);

    public abstract ValueTask SendAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken);

    public abstract void Dispose();
}

internal sealed class SocketChannel(Socket socket) : ByteChannel
{
    public override ValueTask<int> ReceiveAsync(Memory<byte> buffer, CancellationToken cancellationToken) =>
        socket.ReceiveAsync(buffer, SocketFlags.None, cancellationToken);

    public override async ValueTask SendAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
    {
        while (bytes.Length > 0)
        {
            bytes = bytes[await socket.SendAsync(bytes, SocketFlags.None, cancellationToken).ConfigureAwait(false)..];
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
