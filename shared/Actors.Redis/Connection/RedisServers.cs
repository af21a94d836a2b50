using System.Net;
using System.Net.Sockets;
using System.Text;
using StackExchange.Redis;

namespace Loire.Redis;

/// <summary>Finds out which of the servers that are named answer, so that the library is only told of those.</summary>
/// <remarks>
/// A connection that is refused before the library listens for its end is waited for until the library's time is over, which happens now and then
/// with a server that is starting. A bare socket tells at once. The same source is part of each assembly that connects to Redis.
/// </remarks>
/// <param name="configuration">Names the servers.</param>
/// <param name="timeout">Longest wait for one.</param>
/// <param name="moment">What the others get once one has answered: the first may be a replica.</param>
internal sealed class RedisServers(ConfigurationOptions configuration, TimeSpan timeout, TimeSpan moment)
{
    /// <summary>The configuration with the servers that answer.</summary>
    /// <exception cref="Exception">None does; why the last one does not.</exception>
    public async Task<ConfigurationOptions> FindReadyAsync(CancellationToken cancellationToken)
    {
        var asked = configuration.EndPoints.Select(endpoint => (EndPoint: endpoint, Answer: WhyNotAsync(endpoint, cancellationToken))).ToList();
        var waiting = asked.ConvertAll(each => each.Answer);
        Exception? last = null;
        while (waiting.Count > 0)
        {
            var first = await Task.WhenAny(waiting);
            waiting.Remove(first);
            if (await first is not { } failure)
            {
                await Task.WhenAny(Task.WhenAll(waiting), Task.Delay(moment, cancellationToken));
                return With(asked.Where(each => each.Answer is { IsCompletedSuccessfully: true } answer && answer.GetAwaiter().GetResult() is null).Select(each => each.EndPoint));
            }

            last = failure;
        }

        throw last ?? new InvalidOperationException("The connection string names no server.");
    }

    private ConfigurationOptions With(IEnumerable<EndPoint> endpoints)
    {
        var ready = configuration.Clone();
        ready.EndPoints.Clear();
        foreach (var endpoint in endpoints)
        {
            ready.EndPoints.Add(endpoint);
        }

        return ready;
    }

    /// <returns>Why it is not ready, or null.</returns>
    private async Task<Exception?> WhyNotAsync(EndPoint endpoint, CancellationToken cancellationToken)
    {
        using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
        try
        {
            await AskAsync(socket, endpoint, cancellationToken).WaitAsync(timeout, cancellationToken);
            return null;
        }
        catch (Exception failure) when (failure is SocketException or TimeoutException or IOException)
        {
            return failure;
        }
    }

    private async Task AskAsync(Socket socket, EndPoint endpoint, CancellationToken cancellationToken)
    {
        await socket.ConnectAsync(endpoint, cancellationToken);
        if (configuration.Ssl)
        {
            return;
        }

        await socket.SendAsync("PING\r\n"u8.ToArray(), cancellationToken);
        var bytes = new byte[64];
        var answer = Encoding.ASCII.GetString(bytes, 0, await socket.ReceiveAsync(bytes, cancellationToken));
        if (answer.Length == 0 || answer.StartsWith("-LOADING", StringComparison.Ordinal))
        {
            throw new IOException(answer.Length == 0 ? "The server closed the connection." : answer.Trim());
        }
    }
}
