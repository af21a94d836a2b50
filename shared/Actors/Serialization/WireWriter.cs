using System.Buffers.Binary;
using System.Text;

namespace Loire.Actors.Serialization;

/// <summary>How the bytes of a field end, so that a reader can skip a field it does not know.</summary>
public enum WireType
{
    /// <summary>Seven bits a byte, the last without the high bit.</summary>
    Varint = 0,

    /// <summary>Eight bytes, little-endian.</summary>
    Fixed64 = 1,

    /// <summary>A varint length and that many bytes.</summary>
    Bytes = 2,

    /// <summary>A length of four bytes, little-endian, and that many bytes.</summary>
    Block = 3,

    /// <summary>Four bytes, little-endian.</summary>
    Fixed32 = 5,

    /// <summary>A varint: which of the bytes that follow the message. Large arrays in calls travel so, without being copied into it.</summary>
    Attached = 6,
}

/// <summary>Writes values as numbered fields. An object is a block: fields, each a varint of (number + 1) · 8 + <see cref="WireType"/> and its value, then a zero.</summary>
public sealed class WireWriter
{
    private byte[] _buffer = new byte[256];

    /// <summary>How many bytes were written.</summary>
    public int Length { get; private set; }

    /// <summary>What was written.</summary>
    public ReadOnlySpan<byte> Written => _buffer.AsSpan(0, Length);

    /// <summary>Smaller arrays are cheaper to copy.</summary>
    internal const int AttachedBytes = 16 << 10;

    private readonly List<byte[]> _attached = [];

    internal byte[] Buffer => _buffer;

    /// <summary>Arrays that follow the message.</summary>
    internal List<byte[]> Attached => _attached;

    /// <summary>Whether large arrays may follow the message: nobody changes them until it is sent.</summary>
    internal bool MayAttach { get; set; }

    /// <summary>All that is sent.</summary>
    internal long TotalLength => _attached.Count == 0 ? Length : Length + _attached.Sum(bytes => (long)bytes.Length);

    internal ReadOnlyMemory<byte> Memory => _buffer.AsMemory(0, Length);

    /// <summary>Begins again.</summary>
    internal void Clear()
    {
        Length = 0;
        MayAttach = false;
        _attached.Clear();
    }

    /// <summary>Writes bytes without a length.</summary>
    internal void Raw(ReadOnlySpan<byte> value)
    {
        Reserve(value.Length);
        value.CopyTo(_buffer.AsSpan(Length));
        Length += value.Length;
    }

    /// <summary>Writes the field unless its value is null.</summary>
    public void Field<T>(uint number, Codec<T> codec, T value)
    {
        ArgumentNullException.ThrowIfNull(codec);
        if (MayAttach && value is byte[] { Length: >= AttachedBytes } bytes)
        {
            Varint(((ulong)number + 1) << 3 | (uint)WireType.Attached);
            Varint((uint)_attached.Count);
            _attached.Add(bytes);
        }
        else if (value is not null)
        {
            Varint(((ulong)number + 1) << 3 | (uint)codec.Wire);
            codec.Write(this, value);
        }
    }

    /// <summary>Writes a value that may be null, by itself.</summary>
    public void Nullable<T>(Codec<T> codec, T value)
    {
        ArgumentNullException.ThrowIfNull(codec);
        Byte(value is null ? (byte)0 : (byte)1);
        if (value is not null)
        {
            codec.Write(this, value);
        }
    }

    /// <summary>Ends an object's fields.</summary>
    public void EndFields() => Byte(0);

    /// <summary>Begins a block; give the result to <see cref="EndBlock"/>.</summary>
    public int BeginBlock()
    {
        Reserve(sizeof(int));
        Length += sizeof(int);
        return Length;
    }

    /// <summary>Ends a block: its length is filled in.</summary>
    public void EndBlock(int start) => BinaryPrimitives.WriteInt32LittleEndian(_buffer.AsSpan(start - sizeof(int)), Length - start);

    /// <summary>Writes a number without a sign.</summary>
    public void Varint(ulong value)
    {
        Reserve(10);
        while (value >= 0x80)
        {
            _buffer[Length++] = (byte)(value | 0x80);
            value >>= 7;
        }

        _buffer[Length++] = (byte)value;
    }

    /// <summary>Writes a number with a sign: small ones of either sign are short.</summary>
    public void SignedVarint(long value) => Varint((ulong)((value << 1) ^ (value >> 63)));

    /// <summary>Writes one byte.</summary>
    public void Byte(byte value)
    {
        Reserve(1);
        _buffer[Length++] = value;
    }

    /// <summary>Writes four bytes.</summary>
    public void Fixed32(uint value)
    {
        Reserve(sizeof(uint));
        BinaryPrimitives.WriteUInt32LittleEndian(_buffer.AsSpan(Length), value);
        Length += sizeof(uint);
    }

    /// <summary>Writes eight bytes.</summary>
    public void Fixed64(ulong value)
    {
        Reserve(sizeof(ulong));
        BinaryPrimitives.WriteUInt64LittleEndian(_buffer.AsSpan(Length), value);
        Length += sizeof(ulong);
    }

    /// <summary>Writes a length and bytes.</summary>
    public void Bytes(ReadOnlySpan<byte> value)
    {
        Varint((uint)value.Length);
        Reserve(value.Length);
        value.CopyTo(_buffer.AsSpan(Length));
        Length += value.Length;
    }

    /// <summary>Writes a length and UTF-8.</summary>
    public void Text(string value)
    {
        var count = Encoding.UTF8.GetByteCount(value);
        Varint((uint)count);
        Reserve(count);
        Length += Encoding.UTF8.GetBytes(value, _buffer.AsSpan(Length));
    }

    private void Reserve(int count)
    {
        if (_buffer.Length - Length < count)
        {
            Array.Resize(ref _buffer, Math.Max(checked(Length + count), _buffer.Length * 2));
        }
    }
}
