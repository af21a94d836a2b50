using System.Security.Cryptography;
using System.Text;
using Loire.Actors.Serialization;
using Orleans.Runtime;

namespace Loire.Actors.Transport;

/// <summary>What two processes tell each other before the first call, and how each proves that it knows the cluster's secret.</summary>
/// <remarks>
/// 1. The dialling side says version, cluster, who it is, whom it means (address and generation), and a random number.
/// 2. The other side says the same of itself, with a random number of its own and a proof: HMAC-SHA256 over all that was said, under the secret.
/// 3. The dialling side answers with its proof over the same bytes.
/// 4. The other side says that it is content, or why not.
/// Both numbers are in both proofs, so an old handshake proves nothing. Proofs are compared in constant time.
/// </remarks>
internal sealed class Handshake(ByteChannel channel, string clusterId, string? secret, SiloAddress self)
{
    public const int Version = 1;

    private const int MaxBytes = 4096;
    private const int NonceBytes = 32;

    private readonly byte[] _secret = Encoding.UTF8.GetBytes(secret ?? "");

    /// <summary>The dialling side.</summary>
    /// <exception cref="OrleansException">The other side is not the one that was meant, or does not know the secret.</exception>
    public async Task DialAsync(SiloAddress target, CancellationToken cancellationToken)
    {
        var hello = await SendAsync(writer =>
        {
            WriteSelf(writer);
            writer.Text(target.ToParsableString());
            writer.Bytes(RandomNumberGenerator.GetBytes(NonceBytes));
        }, cancellationToken).ConfigureAwait(false);

        var challenge = await ReceiveAsync(cancellationToken).ConfigureAwait(false);
        var reader = Open(challenge);
        ThrowIfRefused(reader, target);
        var peer = ReadSelf(reader);
        reader.Bytes();
        var said = challenge.AsSpan(0, challenge.Length - reader.Left).ToArray();
        if (!CryptographicOperations.FixedTimeEquals(reader.Bytes(), Proof("acceptor", hello, said)))
        {
            throw new OrleansException($"{target} does not know this cluster's secret: set the same {nameof(TransportOptions)}.{nameof(TransportOptions.ClusterSecret)} everywhere.");
        }

        if (peer != target)
        {
            throw new OrleansException($"At {target.Endpoint} is silo {peer}, not {target}: that one is gone.");
        }

        await SendAsync(writer => writer.Bytes(Proof("dialler", hello, said)), cancellationToken).ConfigureAwait(false);
        ThrowIfRefused(Open(await ReceiveAsync(cancellationToken).ConfigureAwait(false)), target);
    }

    /// <summary>The side that listens; says who dialled.</summary>
    /// <exception cref="OrleansException">The other side means somebody else, or does not know the secret.</exception>
    public async Task<SiloAddress> AcceptAsync(CancellationToken cancellationToken)
    {
        var hello = await ReceiveAsync(cancellationToken).ConfigureAwait(false);
        SiloAddress peer;
        try
        {
            peer = CheckHello(Open(hello));
        }
        catch (OrleansException refusal)
        {
            await SendAsync(writer => writer.Text(refusal.Message), cancellationToken).ConfigureAwait(false);
            throw;
        }

        byte[] said = [];
        await SendAsync(writer =>
        {
            writer.Text("");
            WriteSelf(writer);
            writer.Bytes(RandomNumberGenerator.GetBytes(NonceBytes));
            said = writer.Written[Frame.HeadBytes..].ToArray();
            writer.Bytes(Proof("acceptor", hello, said));
        }, cancellationToken).ConfigureAwait(false);

        var proof = Open(await ReceiveAsync(cancellationToken).ConfigureAwait(false)).Bytes();
        var isRight = CryptographicOperations.FixedTimeEquals(proof, Proof("dialler", hello, said));
        var answer = isRight ? "" : "The secret is not this cluster's.";
        await SendAsync(writer => writer.Text(answer), cancellationToken).ConfigureAwait(false);
        return isRight ? peer : throw new OrleansException($"{peer} dialled with a wrong secret.");
    }

    private SiloAddress CheckHello(WireReader reader)
    {
        var peer = ReadSelf(reader);
        var meant = Address(reader.Text());
        var nonce = reader.Bytes();
        if (nonce.Length != NonceBytes)
        {
            throw new OrleansException($"A handshake has {NonceBytes} random bytes, not {nonce.Length}.");
        }

        return meant == self ? peer : throw new OrleansException($"Here is silo {self}, not {meant}: that one is gone.");
    }

    private void WriteSelf(WireWriter writer)
    {
        writer.Varint(Version);
        writer.Text(clusterId);
        writer.Text(self.ToParsableString());
    }

    private SiloAddress ReadSelf(WireReader reader)
    {
        var version = reader.Varint();
        if (version != Version)
        {
            throw new OrleansException($"The other side speaks version {version} of the protocol, and this process version {Version}.");
        }

        var cluster = reader.Text();
        return cluster == clusterId
            ? Address(reader.Text())
            : throw new OrleansException($"The other side is of cluster '{cluster}', not '{clusterId}'.");
    }

    private static SiloAddress Address(string text) =>
        SiloAddress.TryParse(text, out var address) ? address : throw new OrleansException($"'{text}' is not a silo address.");

    private static void ThrowIfRefused(WireReader reader, SiloAddress target)
    {
        if (reader.Text() is { Length: > 0 } refusal)
        {
            throw new OrleansException($"{target.Endpoint} refused the connection: {refusal}");
        }
    }

    private byte[] Proof(string role, byte[] hello, byte[] said)
    {
        using var hmac = IncrementalHash.CreateHMAC(HashAlgorithmName.SHA256, _secret);
        hmac.AppendData(Encoding.UTF8.GetBytes(role));
        hmac.AppendData(BitConverter.GetBytes(hello.Length));
        hmac.AppendData(hello);
        hmac.AppendData(said);
        return hmac.GetHashAndReset();
    }

    private static WireReader Open(byte[] body)
    {
        var reader = new WireReader(body);
        var kind = (FrameKind)reader.Byte();
        return kind == FrameKind.Handshake ? reader : throw new OrleansException($"A handshake was expected, and a frame of kind {(int)kind} came.");
    }

    private async Task<byte[]> SendAsync(Action<WireWriter> write, CancellationToken cancellationToken)
    {
        var frame = Frame.Begin(FrameKind.Handshake);
        write(frame);
        Frame.End(frame, MaxBytes);
        var body = frame.Written[Frame.HeadBytes..].ToArray();
        await channel.SendAsync(frame.Memory, cancellationToken).ConfigureAwait(false);
        Frame.Free(frame);
        return body;
    }

    private async Task<byte[]> ReceiveAsync(CancellationToken cancellationToken)
    {
        var head = await ReceiveAsync(Frame.HeadBytes, cancellationToken).ConfigureAwait(false);
        var body = await ReceiveAsync(Frame.LengthOf(head, MaxBytes), cancellationToken).ConfigureAwait(false);
        Frame.Check(head, body);
        return body;
    }

    // Exactly this much: what follows belongs to the connection.
    private async Task<byte[]> ReceiveAsync(int count, CancellationToken cancellationToken)
    {
        var bytes = new byte[count];
        for (var have = 0; have < count;)
        {
            var more = await channel.ReceiveAsync(bytes.AsMemory(have), cancellationToken).ConfigureAwait(false);
            have += more > 0 ? more : throw new OrleansException("The other side closed the connection during the handshake.");
        }

        return bytes;
    }
}
