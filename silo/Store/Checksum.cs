using System.Buffers.Binary;
using System.Globalization;
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Loire.Store;

/// <summary>A 128-bit checksum against damage (not against forgery): four CRC-32C lanes over interleaved 8-byte words.</summary>
/// <remarks>
/// Lane <c>i</c> takes the little-endian words <c>i, i+4, i+8, …</c>; the last 32 bytes are filled up with zeros; each lane ends with
/// the length in bytes. Four lanes keep the processor's CRC unit busy, so that a checksum costs less than the copy that it guards;
/// each lane finds every flipped bit and every burst within a word.
/// </remarks>
[JsonConverter(typeof(ChecksumJsonConverter))]
public readonly record struct Checksum(UInt128 Value)
{
    private const int StripeBytes = 32;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static Checksum Of(ReadOnlySpan<byte> content)
    {
        uint a = 0xFFFFFFFF, b = 0xFFFFFFFE, c = 0xFFFFFFFD, d = 0xFFFFFFFC;
        var rest = content;
        for (; rest.Length >= StripeBytes; rest = rest[StripeBytes..])
        {
            a = BitOperations.Crc32C(a, BinaryPrimitives.ReadUInt64LittleEndian(rest));
            b = BitOperations.Crc32C(b, BinaryPrimitives.ReadUInt64LittleEndian(rest[8..]));
            c = BitOperations.Crc32C(c, BinaryPrimitives.ReadUInt64LittleEndian(rest[16..]));
            d = BitOperations.Crc32C(d, BinaryPrimitives.ReadUInt64LittleEndian(rest[24..]));
        }

        Span<byte> last = stackalloc byte[StripeBytes];
        last.Clear();
        rest.CopyTo(last);
        var length = (ulong)content.Length;
        a = BitOperations.Crc32C(BitOperations.Crc32C(a, BinaryPrimitives.ReadUInt64LittleEndian(last)), length);
        b = BitOperations.Crc32C(BitOperations.Crc32C(b, BinaryPrimitives.ReadUInt64LittleEndian(last[8..])), length);
        c = BitOperations.Crc32C(BitOperations.Crc32C(c, BinaryPrimitives.ReadUInt64LittleEndian(last[16..])), length);
        d = BitOperations.Crc32C(BitOperations.Crc32C(d, BinaryPrimitives.ReadUInt64LittleEndian(last[24..])), length);
        return new Checksum(new UInt128(((ulong)a << 32) | b, ((ulong)c << 32) | d));
    }

    public static bool TryParse(string? text, out Checksum checksum)
    {
        checksum = default;
        if (text is not { Length: 32 } || text.AsSpan().ContainsAnyExcept(Hex.Digits))
        {
            return false;
        }

        checksum = new Checksum(UInt128.Parse(text, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture));
        return true;
    }

    public override string ToString() => Value.ToString("x32", CultureInfo.InvariantCulture);
}

internal sealed class ChecksumJsonConverter : JsonConverter<Checksum>
{
    public override Checksum Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
        reader.TokenType == JsonTokenType.String && Checksum.TryParse(reader.GetString(), out var checksum)
            ? checksum
            : throw new JsonException("expected a checksum of 32 lower-case hex digits");

    public override void Write(Utf8JsonWriter writer, Checksum value, JsonSerializerOptions options) =>
        writer.WriteStringValue(value.ToString());
}
