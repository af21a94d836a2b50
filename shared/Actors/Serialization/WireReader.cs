using System.Buffers.Binary;
using System.Text;
using Orleans.Runtime;

namespace Loire.Actors.Serialization;

/// <summary>Reads what a <see cref="WireWriter"/> wrote. Every length is checked against what is there.</summary>
public sealed class WireReader
{
    private ReadOnlyMemory<byte> _bytes;
    private byte[][] _attached = [];
    private int _position;

    /// <summary>Reads these bytes.</summary>
    public WireReader(ReadOnlyMemory<byte> bytes) => _bytes = bytes;

    internal WireReader(ReadOnlyMemory<byte> bytes, SiloRuntime? runtime)
        : this(bytes) =>
        Runtime = runtime;

    /// <summary>The silo that references which are read are bound to.</summary>
    internal SiloRuntime? Runtime { get; }

    /// <summary>Begins again with other bytes.</summary>
    internal void Reset(ReadOnlyMemory<byte> bytes, byte[][]? attached = null) => (_bytes, _position, _attached) = (bytes, 0, attached ?? []);

    /// <summary>Reads a length and bytes, which are only valid while the message is.</summary>
    internal ReadOnlySpan<byte> Span() => Take(Count());

    /// <summary>Reads a block as it is.</summary>
    internal byte[] Block() => Take(BeginBlock() - _position).ToArray();

    /// <summary>How many bytes are left.</summary>
    public int Left => _bytes.Length - _position;

    /// <summary>Reads the head of the next field; false after the last one.</summary>
    public bool NextField(out uint number, out WireType wire)
    {
        var head = Varint();
        number = (uint)((head >> 3) - 1);
        wire = (WireType)(head & 7);
        return head != 0;
    }

    /// <summary>Reads a field's value.</summary>
    public T Field<T>(Codec<T> codec, WireType wire)
    {
        ArgumentNullException.ThrowIfNull(codec);
        if (wire == WireType.Attached && typeof(T) == typeof(byte[]))
        {
            var index = Varint();
            return index < (ulong)_attached.Length
                ? (T)(object)_attached[index]
                : throw Damaged($"array {index} is named where {_attached.Length} follow the message");
        }

        return codec.Wire == wire ? codec.Read(this) : throw Damaged($"a {typeof(T).Name} is written as {codec.Wire}, not as {wire}");
    }

    /// <summary>Reads a value that may be null, by itself.</summary>
    public T? Nullable<T>(Codec<T> codec)
    {
        ArgumentNullException.ThrowIfNull(codec);
        return Byte() == 0 ? default : codec.Read(this);
    }

    /// <summary>Skips a field that this version does not know.</summary>
    public void Skip(WireType wire)
    {
        switch (wire)
        {
            case WireType.Varint:
            case WireType.Attached:
                Varint();
                break;
            case WireType.Fixed64:
                Take(sizeof(ulong));
                break;
            case WireType.Fixed32:
                Take(sizeof(uint));
                break;
            case WireType.Bytes:
                Take(Count());
                break;
            case WireType.Block:
                Take(BeginBlock() - _position);
                break;
            default:
                throw Damaged($"wire type {(int)wire} does not exist");
        }
    }

    /// <summary>Reads a block's length; gives the position of its end, for <see cref="EndBlock"/>.</summary>
    public int BeginBlock()
    {
        var length = BinaryPrimitives.ReadInt32LittleEndian(Take(sizeof(int)));
        return length >= 0 && length <= Left ? _position + length : throw Damaged($"a block of {length} bytes begins where {Left} are left");
    }

    /// <summary>Checks that the block was read to its end.</summary>
    public void EndBlock(int end)
    {
        if (_position != end)
        {
            throw Damaged($"a block ends at {end}");
        }
    }

    /// <summary>Reads a number without a sign.</summary>
    public ulong Varint()
    {
        var value = 0UL;
        for (var shift = 0; shift < 64; shift += 7)
        {
            var next = Byte();
            value |= (ulong)(next & 0x7F) << shift;
            if (next < 0x80)
            {
                return value;
            }
        }

        throw Damaged("a number has more than ten bytes");
    }

    /// <summary>Reads a number with a sign.</summary>
    public long SignedVarint()
    {
        var value = Varint();
        return (long)(value >> 1) ^ -(long)(value & 1);
    }

    /// <summary>Reads one byte.</summary>
    public byte Byte() => Take(1)[0];

    /// <summary>Reads four bytes.</summary>
    public uint Fixed32() => BinaryPrimitives.ReadUInt32LittleEndian(Take(sizeof(uint)));

    /// <summary>Reads eight bytes.</summary>
    public ulong Fixed64() => BinaryPrimitives.ReadUInt64LittleEndian(Take(sizeof(ulong)));

    /// <summary>Reads a length and bytes.</summary>
    public byte[] Bytes() => Take(Count()).ToArray();

    /// <summary>Reads a length and UTF-8.</summary>
    public string Text() => Encoding.UTF8.GetString(Take(Count()));

    /// <summary>Reads how many items follow; no more than there are bytes, so that a damaged number allocates nothing.</summary>
    public int Count()
    {
        var count = Varint();
        return count <= (ulong)Left ? (int)count : throw Damaged($"{count} items or bytes are announced where {Left} bytes are left");
    }

    private ReadOnlySpan<byte> Take(int count)
    {
        if (count > Left)
        {
            throw Damaged($"{count} bytes are expected where {Left} are left");
        }

        var taken = _bytes.Span.Slice(_position, count);
        _position += count;
        return taken;
    }

    private OrleansException Damaged(string found) => new($"The message is damaged: {found}, at byte {_position} of {_bytes.Length}.");
}
