using System.Buffers.Binary;
using System.Text;

namespace Loire.Store;

/// <summary>The first 104 bytes of a stored blob: whose they are, and what must follow.</summary>
/// <remarks>
/// Little-endian:
/// <code>
///  0 magic "LOIREBLB"   8 version u16   10 kind u8   11 dtype length u8   12 dtype, 12 bytes of ASCII
/// 24 layer i32         28 page i32      32 content length i64             40 content checksum, 16 bytes
/// 56 address, 32 bytes 88 checksum of bytes 0 to 87, 16 bytes
/// </code>
/// </remarks>
internal readonly record struct BlobHeader(BlobKind Kind, int Layer, int Page, Digest Address, long Length, Checksum Checksum, string DType)
{
    public const int ByteCount = 104;
    public const int MaxDTypeLength = 12;

    private const ushort Version = 1;
    private const int Guarded = 88;

    public BlobReference ToReference() => new(Kind, Layer, Page, Address, Length, Checksum, DType);

    public static BlobHeader Of(in BlobContent blob) =>
        new(blob.Kind, blob.Layer, blob.Page, blob.Address, blob.Content.Length, Checksum.Of(blob.Content.Span), blob.DType);

    /// <exception cref="ArgumentException">The blob has no place in a header.</exception>
    public static void Check(in BlobContent blob)
    {
        if (blob.Kind is < BlobKind.RecurrentState or > BlobKind.KeyValueTail || blob.Layer < 0 || blob.Page < 0
            || blob.DType is not { Length: > 0 and <= MaxDTypeLength } || !Ascii.IsValid(blob.DType))
        {
            throw new ArgumentException(
                $"Blob {blob.Kind} of layer {blob.Layer}, page {blob.Page}, dtype '{blob.DType}' cannot be stored: "
                + $"it needs a kind, a layer and page of 0 or more, and a dtype of 1 to {MaxDTypeLength} ASCII characters.");
        }
    }

    public void Write(Span<byte> bytes)
    {
        bytes[..ByteCount].Clear();
        "LOIREBLB"u8.CopyTo(bytes);
        BinaryPrimitives.WriteUInt16LittleEndian(bytes[8..], Version);
        bytes[10] = (byte)Kind;
        bytes[11] = (byte)Encoding.ASCII.GetBytes(DType, bytes.Slice(12, MaxDTypeLength));
        BinaryPrimitives.WriteInt32LittleEndian(bytes[24..], Layer);
        BinaryPrimitives.WriteInt32LittleEndian(bytes[28..], Page);
        BinaryPrimitives.WriteInt64LittleEndian(bytes[32..], Length);
        BinaryPrimitives.WriteUInt128LittleEndian(bytes[40..], Checksum.Value);
        Address.CopyTo(bytes[56..]);
        BinaryPrimitives.WriteUInt128LittleEndian(bytes[Guarded..], Checksum.Of(bytes[..Guarded]).Value);
    }

    /// <returns>What is wrong with the header, or null.</returns>
    public static string? TryRead(ReadOnlySpan<byte> bytes, out BlobHeader header)
    {
        header = default;
        if (!bytes.StartsWith("LOIREBLB"u8))
        {
            return "it does not start with LOIREBLB";
        }

        if (BinaryPrimitives.ReadUInt128LittleEndian(bytes[Guarded..]) != Checksum.Of(bytes[..Guarded]).Value)
        {
            return "the header's own checksum does not hold";
        }

        if (BinaryPrimitives.ReadUInt16LittleEndian(bytes[8..]) is var version and not Version)
        {
            return $"the header has version {version}; this build reads {Version}";
        }

        if (bytes[11] > MaxDTypeLength)
        {
            return $"the header's dtype has {bytes[11]} bytes";
        }

        header = new BlobHeader(
            (BlobKind)bytes[10],
            BinaryPrimitives.ReadInt32LittleEndian(bytes[24..]),
            BinaryPrimitives.ReadInt32LittleEndian(bytes[28..]),
            new Digest(bytes.Slice(56, Digest.ByteCount)),
            BinaryPrimitives.ReadInt64LittleEndian(bytes[32..]),
            new Checksum(BinaryPrimitives.ReadUInt128LittleEndian(bytes[40..])),
            Encoding.ASCII.GetString(bytes.Slice(12, bytes[11])));
        return null;
    }
}
