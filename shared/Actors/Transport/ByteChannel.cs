using System.Net.Security;
using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace Loire.Actors.Transport;

/// <summary>Bytes both ways: a socket, or TLS over one. One reads and one writes at a time.</summary>
internal abstract class ByteChannel : IDisposable
{
    public abstract ValueTask<int> ReceiveAsync(Memory<byte> buffer, CancellationToken cancellationToken);

    public abstract ValueTask SendAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken);

    /// <summary>Sends a message and the arrays that follow it.</summary>
    public virtual async ValueTask SendAsync(ReadOnlyMemory<byte> bytes, List<byte[]> following, CancellationToken cancellationToken)
    {
        await SendAsync(bytes, cancellationToken).ConfigureAwait(false);
        foreach (var array in following)
        {
            await SendAsync(array, cancellationToken).ConfigureAwait(false);
        }
    }

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

    public override async ValueTask SendAsync(ReadOnlyMemory<byte> bytes, List<byte[]> following, CancellationToken cancellationToken)
    {
        var parts = new List<ArraySegment<byte>>(following.Count + 1);
        if (!MemoryMarshal.TryGetArray(bytes, out var first))
        {
            await base.SendAsync(bytes, following, cancellationToken).ConfigureAwait(false);
            return;
        }

        parts.Add(first);
        long total = first.Count;
        foreach (var array in following)
        {
            parts.Add(array);
            total += array.Length;
        }

        var sent = await socket.SendAsync(parts, SocketFlags.None).ConfigureAwait(false);
        if (sent != total)
        {
            throw new IOException($"{sent:N0} of {total:N0} bytes were sent.");
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
