using System.Buffers;
using System.IO.Pipelines;
using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Connections;

namespace Loire.Cli.Cluster;

/// <summary>Both ends of a connection of Orleans prove that they know the cluster's secret, before its first byte.</summary>
/// <remarks>
/// Orleans lets in whoever reaches its ports. Of 32 bytes each, in this order:
/// 1. the dialling side's nonce; 2. the accepting side's nonce;
/// 3. the dialling side's proof; 4. the accepting side's proof: HMAC-SHA256 by the secret over side, cluster and both nonces.
/// The side in it keeps a proof from being sent back to its maker. What follows is not encrypted: that is what TLS is for.
/// </remarks>
internal sealed class SecretHandshake(string secret, string cluster)
{
    private const int Length = 32;

    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(5);

    private readonly byte[] _key = Encoding.UTF8.GetBytes(secret);

    /// <summary>For connections that this process opens.</summary>
    public void Dial(IConnectionBuilder connection) => Add(connection, DialAsync);

    /// <summary>For connections that others open to it.</summary>
    public void Accept(IConnectionBuilder connection) => Add(connection, AcceptAsync);

    /// <exception cref="ConnectionAbortedException">The other side does not know the secret, or said nothing in time.</exception>
    internal async Task DialAsync(IDuplexPipe peer, CancellationToken cancellationToken)
    {
        var own = RandomNumberGenerator.GetBytes(Length);
        await peer.Output.WriteAsync(own, cancellationToken);
        var other = await ReadAsync(peer.Input, cancellationToken);
        await peer.Output.WriteAsync(Proof("dial", own, other), cancellationToken);
        Check(await ReadAsync(peer.Input, cancellationToken), Proof("accept", own, other));
    }

    /// <inheritdoc cref="DialAsync"/>
    internal async Task AcceptAsync(IDuplexPipe peer, CancellationToken cancellationToken)
    {
        var other = await ReadAsync(peer.Input, cancellationToken);
        var own = RandomNumberGenerator.GetBytes(Length);
        await peer.Output.WriteAsync(own, cancellationToken);
        Check(await ReadAsync(peer.Input, cancellationToken), Proof("dial", other, own));
        await peer.Output.WriteAsync(Proof("accept", other, own), cancellationToken);
    }

    private static void Add(IConnectionBuilder connection, Func<IDuplexPipe, CancellationToken, Task> shake) => connection.Use(next => async context =>
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(context.ConnectionClosed);
        deadline.CancelAfter(s_patience);
        try
        {
            await shake(context.Transport, deadline.Token);
        }
        catch (OperationCanceledException silent)
        {
            throw new ConnectionAbortedException(
                $"{context.RemoteEndPoint} did not prove within {s_patience.TotalSeconds:0} s that it knows the cluster's secret.", silent);
        }

        await next(context);
    });

    private byte[] Proof(string side, byte[] dialling, byte[] accepting)
    {
        byte[] said = [.. Encoding.UTF8.GetBytes($"loire/{side}/{cluster}/"), .. dialling, .. accepting];
        return HMACSHA256.HashData(_key, said);
    }

    private static void Check(byte[] found, byte[] expected)
    {
        if (!CryptographicOperations.FixedTimeEquals(found, expected))
        {
            throw new ConnectionAbortedException($"The other side of the connection has another cluster secret. Give all processes the same {ClusterSettings.SecretVariable}.");
        }
    }

    private static async Task<byte[]> ReadAsync(PipeReader input, CancellationToken cancellationToken)
    {
        var read = await input.ReadAtLeastAsync(Length, cancellationToken);
        if (read.Buffer.Length < Length)
        {
            throw new ConnectionAbortedException("The other side closed the connection instead of proving that it knows the cluster's secret.");
        }

        var bytes = read.Buffer.Slice(0, Length).ToArray();
        input.AdvanceTo(read.Buffer.GetPosition(Length));
        return bytes;
    }
}
