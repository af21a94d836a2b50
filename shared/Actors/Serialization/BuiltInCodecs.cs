using System.Net;
using Orleans.Runtime;

namespace Loire.Actors.Serialization;

/// <summary>Codecs of types that nobody can change: a copy is the value itself.</summary>
internal sealed class ValueCodec<T>(WireType wire, Action<WireWriter, T> write, Func<WireReader, T> read) : Codec<T>
{
    public override WireType Wire => wire;

    public override T Copy(T value) => value;

    public override void Write(WireWriter writer, T value) => write(writer, value);

    public override T Read(WireReader reader) => read(reader);
}

internal static class BuiltInCodecs
{
    public static IEnumerable<Codec> All()
    {
        // Numbers.
        yield return Varint("bool", static value => value ? 1UL : 0, static wire => wire != 0);
        yield return Varint<byte>("byte", static value => value, static wire => (byte)wire);
        yield return Varint<char>("char", static value => value, static wire => (char)wire);
        yield return Varint<ushort>("ushort", static value => value, static wire => (ushort)wire);
        yield return Varint<uint>("uint", static value => value, static wire => (uint)wire);
        yield return Varint("ulong", static value => value, static wire => wire);
        yield return Signed<sbyte>("sbyte", static value => value, static wire => (sbyte)wire);
        yield return Signed<short>("short", static value => value, static wire => (short)wire);
        yield return Signed<int>("int", static value => value, static wire => (int)wire);
        yield return Signed("long", static value => value, static wire => wire);
        yield return Of("float", WireType.Fixed32,
            static (writer, value) => writer.Fixed32(BitConverter.SingleToUInt32Bits(value)), static reader => BitConverter.UInt32BitsToSingle(reader.Fixed32()));
        yield return Of("double", WireType.Fixed64,
            static (writer, value) => writer.Fixed64(BitConverter.DoubleToUInt64Bits(value)), static reader => BitConverter.UInt64BitsToDouble(reader.Fixed64()));
        yield return Of("decimal", WireType.Bytes, static (writer, value) => writer.Text(value.ToString()), static reader => decimal.Parse(reader.Text()));

        // Text and names.
        yield return Of("string", WireType.Bytes, static (writer, value) => writer.Text(value), static reader => reader.Text());
        yield return Of("guid", WireType.Bytes, static (writer, value) => writer.Bytes(value.ToByteArray()), static reader => new Guid(reader.Bytes()));
        yield return Of("uri", WireType.Bytes, static (writer, value) => writer.Text(value.OriginalString), static reader => new Uri(reader.Text(), UriKind.RelativeOrAbsolute));
        yield return Of("version", WireType.Bytes, static (writer, value) => writer.Text(value.ToString()), static reader => Version.Parse(reader.Text()));
        yield return Of("ip", WireType.Bytes, static (writer, value) => writer.Bytes(value.GetAddressBytes()), static reader => new IPAddress(reader.Bytes()));
        yield return Of("endpoint", WireType.Bytes, static (writer, value) => writer.Text(value.ToString()), static reader => IPEndPoint.Parse(reader.Text()));

        // Time.
        yield return Signed("timespan", static value => value.Ticks, static wire => new TimeSpan(wire));
        yield return Signed("datetime", static value => value.ToBinary(), DateTime.FromBinary);
        yield return Signed("date", static value => value.DayNumber, static wire => DateOnly.FromDayNumber((int)wire));
        yield return Signed("time", static value => value.Ticks, static wire => new TimeOnly(wire));
        yield return Of("datetimeoffset", WireType.Bytes, WriteOffset, ReadOffset);

        // Identities.
        yield return Of("grain-id", WireType.Bytes, static (writer, value) => writer.Text(value.ToString()), static reader => GrainId.Parse(reader.Text()));
        yield return Of("grain-type", WireType.Bytes, static (writer, value) => writer.Text(value.ToString()), static reader => GrainType.Create(reader.Text()));
        yield return Of("silo", WireType.Bytes, static (writer, value) => writer.Text(value.ToParsableString()), static reader => SiloAddress.FromParsableString(reader.Text()));

        // Bytes, which can change, and anything at all.
        yield return new BytesCodec { Alias = "bytes" };
        yield return new MemoryCodec { Alias = "memory" };
        yield return new AnyCodec { Alias = "any" };
    }

    private static ValueCodec<T> Of<T>(string alias, WireType wire, Action<WireWriter, T> write, Func<WireReader, T> read) => new(wire, write, read) { Alias = alias };

    private static ValueCodec<T> Varint<T>(string alias, Func<T, ulong> to, Func<ulong, T> from) =>
        Of<T>(alias, WireType.Varint, (writer, value) => writer.Varint(to(value)), reader => from(reader.Varint()));

    private static ValueCodec<T> Signed<T>(string alias, Func<T, long> to, Func<long, T> from) =>
        Of<T>(alias, WireType.Varint, (writer, value) => writer.SignedVarint(to(value)), reader => from(reader.SignedVarint()));

    private static void WriteOffset(WireWriter writer, DateTimeOffset value)
    {
        Span<byte> bytes = stackalloc byte[10];
        BitConverter.TryWriteBytes(bytes, value.Ticks);
        BitConverter.TryWriteBytes(bytes[8..], (short)value.TotalOffsetMinutes);
        writer.Bytes(bytes);
    }

    private static DateTimeOffset ReadOffset(WireReader reader)
    {
        var bytes = reader.Bytes();
        return bytes.Length == 10
            ? new DateTimeOffset(BitConverter.ToInt64(bytes), TimeSpan.FromMinutes(BitConverter.ToInt16(bytes, 8)))
            : throw new OrleansException($"A time with offset has 10 bytes, not {bytes.Length}.");
    }
}

/// <summary>Bytes.</summary>
internal sealed class BytesCodec : Codec<byte[]>
{
    public override WireType Wire => WireType.Bytes;

    public override byte[] Copy(byte[] value) => [.. value];

    public override void Write(WireWriter writer, byte[] value) => writer.Bytes(value);

    public override byte[] Read(WireReader reader) => reader.Bytes();
}

/// <summary>Bytes that somebody else may change.</summary>
internal sealed class MemoryCodec : Codec<ReadOnlyMemory<byte>>
{
    public override WireType Wire => WireType.Bytes;

    public override ReadOnlyMemory<byte> Copy(ReadOnlyMemory<byte> value) => value.ToArray();

    public override void Write(WireWriter writer, ReadOnlyMemory<byte> value) => writer.Bytes(value.Span);

    public override ReadOnlyMemory<byte> Read(WireReader reader) => reader.Bytes();
}

/// <summary>A value of any type that has a codec, with the type's name.</summary>
internal sealed class AnyCodec : Codec<object>
{
    public override WireType Wire => WireType.Block;

    public override object Copy(object value) => value.GetType() == typeof(object) ? value : Codecs.Of(value.GetType()).CopyBoxed(value);

    public override void Write(WireWriter writer, object value)
    {
        var codec = Codecs.Of(value.GetType());
        if (codec.Alias.Length == 0)
        {
            throw new OrleansException($"A {value.GetType()} has no name on the wire, so it cannot be sent as an object.");
        }

        var start = writer.BeginBlock();
        writer.Text(codec.Alias);
        codec.WriteBoxed(writer, value);
        writer.EndBlock(start);
    }

    public override object Read(WireReader reader)
    {
        var end = reader.BeginBlock();
        var alias = reader.Text();
        var value = (Codecs.Named(alias) ?? throw new OrleansException($"The message holds a '{alias}', which this process does not know.")).ReadBoxed(reader);
        reader.EndBlock(end);
        return value;
    }
}

/// <summary>An enumeration, as its number.</summary>
internal sealed class EnumCodec<T> : Codec<T>
    where T : struct, Enum
{
    public override WireType Wire => WireType.Varint;

    public override T Copy(T value) => value;

    public override void Write(WireWriter writer, T value) => writer.SignedVarint(((IConvertible)value).ToInt64(null));

    public override T Read(WireReader reader) => (T)Enum.ToObject(typeof(T), reader.SignedVarint());
}

/// <summary>A reference to a grain or an observer. A grain that passes itself passes a reference.</summary>
internal sealed class ReferenceCodec<T> : Codec<T>
    where T : class, IAddressable
{
    public override WireType Wire => WireType.Bytes;

    public override T Copy(T value) => value as GrainReference is not null ? value : Orleans.GrainExtensions.AsReference<T>(value);

    public override void Write(WireWriter writer, T value) => writer.Text(Orleans.GrainExtensions.GetGrainId(value).ToString());

    public override T Read(WireReader reader) => reader.Runtime is { } runtime
        ? (T)(object)runtime.References.Create(typeof(T), GrainId.Parse(reader.Text()))
        : throw new OrleansException($"A reference to {typeof(T).FullName} is read outside a silo.");
}

/// <summary>An exception: passed as it is inside one process; type and message travel between processes.</summary>
internal sealed class ExceptionCodec<T> : Codec<T>
    where T : Exception
{
    public override WireType Wire => WireType.Block;

    public override T Copy(T value) => value;

    public override void Write(WireWriter writer, T value)
    {
        var start = writer.BeginBlock();
        Transport.Exceptions.Write(writer, value);
        writer.EndBlock(start);
    }

    public override T Read(WireReader reader)
    {
        var end = reader.BeginBlock();
        var exception = Transport.Exceptions.Read(reader);
        reader.EndBlock(end);
        return exception as T ?? throw new OrleansException($"{exception.GetType().FullName} came where a {typeof(T).FullName} belongs: {exception.Message}", exception);
    }
}
