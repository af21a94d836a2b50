using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;

namespace Loire.Store;

/// <summary>Where a state is found. An address names a meaning - layout version, model, owner, token prefix, kind - and not bytes.</summary>
public static class StateAddress
{
    /// <summary>Version of the canonical layout of blobs. Part of every address: another layout is another address.</summary>
    public const int LayoutVersion = 1;

    /// <summary>Digests of every page end of these tokens, in one pass.</summary>
    /// <param name="model">Digest of the model: config and weights.</param>
    /// <param name="owner">Salt of every address.</param>
    /// <param name="tokens">The tokens; copied.</param>
    /// <param name="pageTokens">Tokens of a page, 1 or more.</param>
    public static PrefixDigests Of(Digest model, StateOwner owner, ReadOnlySpan<int> tokens, int pageTokens)
    {
        var prefix = new PrefixDigests(model, owner, pageTokens);
        prefix.Append(tokens);
        return prefix;
    }

    /// <summary>Address of the checkpoint after the prefix with this digest.</summary>
    public static Digest Checkpoint(Digest tokenDigest) => Derive("loire.checkpoint.v1", tokenDigest, BlobKind.None, 0, 0, "");

    /// <summary>Address of one blob of the state after a prefix.</summary>
    /// <param name="kind">What the blob holds.</param>
    /// <param name="layer">Layer of the model.</param>
    /// <param name="page">Page of a key-value blob; 0 for others.</param>
    /// <param name="prefix">
    /// Digest of the prefix that the blob is the state of: up to the end of its page for <see cref="BlobKind.KeyValuePage"/>,
    /// the whole checkpoint's otherwise.
    /// </param>
    /// <param name="dtype">Element type: states of different precision live side by side.</param>
    public static Digest Blob(BlobKind kind, int layer, int page, Digest prefix, string dtype) =>
        Derive("loire.blob.v1", prefix, kind, layer, page, dtype);

    private static Digest Derive(string domain, Digest prefix, BlobKind kind, int layer, int page, string dtype)
    {
        Span<byte> bytes = stackalloc byte[256];
        var length = Encoding.UTF8.GetBytes(domain, bytes);
        bytes[length++] = 0;
        prefix.CopyTo(bytes[length..]);
        length += Digest.ByteCount;
        BinaryPrimitives.WriteInt32LittleEndian(bytes[length..], (int)kind);
        BinaryPrimitives.WriteInt32LittleEndian(bytes[(length + 4)..], layer);
        BinaryPrimitives.WriteInt32LittleEndian(bytes[(length + 8)..], page);
        length += 12;
        length += Encoding.UTF8.GetBytes(dtype, bytes[length..]);
        return Digest.Of(bytes[..length]);
    }

    /// <summary>Digest of the empty prefix: everything that an address depends on besides the tokens.</summary>
    internal static Digest Seed(Digest model, StateOwner owner, int pageTokens)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        Span<byte> numbers = stackalloc byte[12];
        var name = Encoding.UTF8.GetBytes(owner.Value);
        hash.AppendData("loire.prefix.v1\0"u8);
        BinaryPrimitives.WriteInt32LittleEndian(numbers, LayoutVersion);
        BinaryPrimitives.WriteInt32LittleEndian(numbers[4..], pageTokens);
        BinaryPrimitives.WriteInt32LittleEndian(numbers[8..], name.Length);
        hash.AppendData(numbers);
        hash.AppendData(name);
        Span<byte> bytes = stackalloc byte[Digest.ByteCount];
        model.CopyTo(bytes);
        hash.AppendData(bytes);
        hash.GetHashAndReset(bytes);
        return new Digest(bytes);
    }
}
