using System.Net;
using System.Net.Sockets;

namespace Loire.Cli.Bench.Actors;

/// <summary>The floor: asynchronous TCP without anything, this many bytes there and four bytes back.</summary>
internal sealed class PingPong : IDisposable
{
    private readonly Socket _socket = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
    private readonly byte[] _answer = new byte[4];

    public async Task ConnectAsync(int port, int bytes, CancellationToken cancellationToken)
    {
        await _socket.ConnectAsync(IPAddress.Loopback, port, cancellationToken);
        await _socket.SendAsync(BitConverter.GetBytes(bytes), cancellationToken);
    }

    public async ValueTask PingAsync(byte[] bytes, CancellationToken cancellationToken)
    {
        for (var sent = 0; sent < bytes.Length;)
        {
            sent += await _socket.SendAsync(bytes.AsMemory(sent), cancellationToken).ConfigureAwait(false);
        }

        await ReadAsync(_socket, _answer, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Answers each message on every connection; says on which port.</summary>
    public static int Listen(CancellationToken cancellationToken)
    {
        var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen();
        _ = AcceptAsync(listener, cancellationToken);
        return ((IPEndPoint)listener.LocalEndPoint!).Port;
    }

    public void Dispose() => _socket.Dispose();

    private static async Task AcceptAsync(Socket listener, CancellationToken cancellationToken)
    {
        while (!cancellationToken.IsCancellationRequested)
        {
            var socket = await listener.AcceptAsync(cancellationToken).ConfigureAwait(false);
            _ = AnswerAsync(socket, cancellationToken);
        }
    }

    private static async Task AnswerAsync(Socket socket, CancellationToken cancellationToken)
    {
        using var _ = socket;
        socket.NoDelay = true;
        var answer = new byte[4];
        if (!await ReadAsync(socket, answer, cancellationToken).ConfigureAwait(false))
        {
            return;
        }

        var message = new byte[BitConverter.ToInt32(answer)];
        while (await ReadAsync(socket, message, cancellationToken).ConfigureAwait(false))
        {
            await socket.SendAsync(answer, cancellationToken).ConfigureAwait(false);
        }
    }

    private static async ValueTask<bool> ReadAsync(Socket socket, Memory<byte> bytes, CancellationToken cancellationToken)
    {
        while (bytes.Length > 0)
        {
            var count = await socket.ReceiveAsync(bytes, cancellationToken).ConfigureAwait(false);
            if (count == 0)
            {
                return false;
            }

            bytes = bytes[count..];
        }

        return true;
    }
}
