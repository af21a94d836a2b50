using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace Loire.Store.Redis;

/// <summary>The first bytes of a blob's value: the header that every store writes, and how the content follows.</summary>
/// <remarks>
/// <code>
///   0 header, 104 bytes       104 name of the write, 16 hex digits       120 bytes of a chunk, 8 hex digits
/// 128 number of chunks, 8 hex digits; 0: the content follows here        136 content
/// </code>
/// The scripts read the same places. The name of the write keeps the chunks of two writers of one address apart.
/// </remarks>
internal readonly record struct BlobValue(BlobHeader Header, string Write, int ChunkBytes, int Chunks)
{
    public const int HeadBytes = BlobHeader.ByteCount + 32;

    public static BlobValue Of(in BlobContent blob, int chunkBytes)
    {
        var header = BlobHeader.Of(blob);
        var chunks = header.Length <= chunkBytes ? 0 : (int)((header.Length + chunkBytes - 1) / chunkBytes);
        return new BlobValue(header, Guid.NewGuid().ToString("n")[..16], chunkBytes, chunks);
    }

    /// <summary>The head, and the content where it is not in chunks.</summary>
    public byte[] ToBytes(ReadOnlySpan<byte> content)
    {
        var bytes = new byte[HeadBytes + (Chunks == 0 ? content.Length : 0)];
        Header.Write(bytes);
        Encoding.ASCII.GetBytes($"{Write}{ChunkBytes:x8}{Chunks:x8}", bytes.AsSpan(BlobHeader.ByteCount));
        if (Chunks == 0)
        {
            content.CopyTo(bytes.AsSpan(HeadBytes));
        }

        return bytes;
    }

    public (int Start, int Length) ChunkAt(int index)
    {
        var start = index * (long)ChunkBytes;
        return ((int)start, (int)Math.Min(ChunkBytes, Header.Length - start));
    }

    /// <param name="bytes">The value, or its head.</param>
    /// <param name="address">Whose it must be.</param>
    /// <param name="value">What the head says.</param>
    /// <returns>What is wrong with the head, or null.</returns>
    public static BlobFault? TryRead(ReadOnlySpan<byte> bytes, Digest address, out BlobValue value)
    {
        value = default;
        if (bytes.Length < HeadBytes)
        {
            return new BlobFault(BlobDamage.Length, $"the value has {bytes.Length} bytes; its head alone has {HeadBytes}");
        }

        if (BlobHeader.TryRead(bytes, out var header) is { } wrong)
        {
            return new BlobFault(BlobDamage.Header, wrong);
        }

        if (header.Address != address)
        {
            return new BlobFault(BlobDamage.Header, $"the header belongs to address {header.Address}");
        }

        var layout = Encoding.ASCII.GetString(bytes.Slice(BlobHeader.ByteCount, 32));
        if (!int.TryParse(layout.AsSpan(16, 8), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var chunkBytes)
            || !int.TryParse(layout.AsSpan(24, 8), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var chunks)
            || chunkBytes < 1 || chunks != (header.Length <= chunkBytes ? 0 : (header.Length + chunkBytes - 1) / chunkBytes))
        {
            return new BlobFault(BlobDamage.Header, $"'{layout}' does not say how {header.Length} bytes of content follow");
        }

        value = new BlobValue(header, layout[..16], chunkBytes, chunks);
        return null;
    }

    /// <summary>By what the scripts know a value again.</summary>
    public static string FingerprintOf(ReadOnlySpan<byte> bytes)
    {
#pragma warning disable CA5350 // The digest that Lua has in Redis; against coincidence only.
        return Convert.ToHexStringLower(SHA1.HashData(bytes[..Math.Min(bytes.Length, HeadBytes)]));
#pragma warning restore CA5350
    }
}

/// <summary>What is wrong with a stored blob.</summary>
internal readonly record struct BlobFault(BlobDamage Damage, string Found);
