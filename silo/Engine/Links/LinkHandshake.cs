using System.Security.Cryptography;
using System.Text;

namespace Loire.Engine.Links;

/// <summary>How both ends of a new link prove that they know the cluster's secret, before anything else is said.</summary>
/// <remarks>
/// 1. The dialling end: version, 32 random bytes.
/// 2. The listening end: 32 random bytes of its own, and HMAC-SHA256 of "listener" and both numbers under the secret.
/// 3. The dialling end: the same with "dialler".
/// 4. The listening end: an empty frame.
/// Both numbers are in both proofs, so an old handshake proves nothing; proofs are compared in constant time.
/// </remarks>
internal static class LinkHandshake
{
    private const int Version = 1;
    private const int NonceBytes = 32;
    private const int ProofBytes = 32;
    private const int MaxBytes = 256;

    /// <exception cref="IOException">The other end does not know the secret, or is no listener.</exception>
    public static void Dial(FrameSocket socket, string? secret)
    {
        var frame = new PinnedBuffer();
        var own = RandomNumberGenerator.GetBytes(NonceBytes);
        frame.Append(Version);
        frame.Append(own);
        socket.Send(frame, FrameKind.Hello, 0);

        Receive(socket, frame);
        var answer = new PayloadReader(frame.Payload);
        var other = answer.Bytes(NonceBytes).ToArray();
        var proof = answer.Bytes(ProofBytes);
        answer.End();
        if (!CryptographicOperations.FixedTimeEquals(proof, Proof("listener", own, other, secret)))
        {
            throw new IOException("The other end does not know this cluster's secret. Give every silo the same one.");
        }

        frame.Clear();
        frame.Append(Proof("dialler", own, other, secret));
        socket.Send(frame, FrameKind.Hello, 0);
        Receive(socket, frame);
    }

    /// <exception cref="IOException">The other end does not know the secret, or speaks something else.</exception>
    public static void Accept(FrameSocket socket, string? secret)
    {
        var frame = new PinnedBuffer();
        Receive(socket, frame);
        var hello = new PayloadReader(frame.Payload);
        var version = hello.Int();
        if (version != Version)
        {
            throw new FrameException($"The other end speaks version {version} of tensor links, and this one {Version}.");
        }

        var other = hello.Bytes(NonceBytes).ToArray();
        hello.End();
        var own = RandomNumberGenerator.GetBytes(NonceBytes);
        frame.Clear();
        frame.Append(own);
        frame.Append(Proof("listener", other, own, secret));
        socket.Send(frame, FrameKind.Hello, 0);

        Receive(socket, frame);
        if (!CryptographicOperations.FixedTimeEquals(frame.Payload, Proof("dialler", other, own, secret)))
        {
            throw new IOException("A wrong secret was used.");
        }

        frame.Clear();
        socket.Send(frame, FrameKind.Hello, 0);
    }

    private static void Receive(FrameSocket socket, PinnedBuffer frame)
    {
        var head = socket.Receive(frame, MaxBytes);
        if (head.Kind != FrameKind.Hello)
        {
            throw new FrameException($"A handshake was expected, and a frame of kind {head.Kind} came.");
        }
    }

    private static byte[] Proof(string role, byte[] dialler, byte[] listener, string? secret)
    {
        using var hmac = IncrementalHash.CreateHMAC(HashAlgorithmName.SHA256, Encoding.UTF8.GetBytes(secret ?? ""));
        hmac.AppendData(Encoding.UTF8.GetBytes($"loire tensor link {Version} {role}"));
        hmac.AppendData(dialler);
        hmac.AppendData(listener);
        return hmac.GetHashAndReset();
    }
}
