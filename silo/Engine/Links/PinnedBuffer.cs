using System.Runtime.CompilerServices;

namespace Loire.Engine.Links;

/// <summary>A frame under construction or as received, in memory that the collector does not move: sockets read and write it in place.</summary>
/// <remarks>Grows to the largest frame that it has carried and stays so. One owner at a time.</remarks>
internal sealed unsafe class PinnedBuffer
{
    private const int Start = 4096;
    private byte[] _bytes = GC.AllocateUninitializedArray<byte>(Start, pinned: true);

    /// <summary>Of the payload.</summary>
    public int Length { get; private set; }

    /// <summary>Head and payload.</summary>
    public Memory<byte> Frame => _bytes.AsMemory(0, FrameHead.Bytes + Length);

    public Span<byte> Head => _bytes.AsSpan(0, FrameHead.Bytes);

    public Span<byte> Payload => _bytes.AsSpan(FrameHead.Bytes, Length);

    /// <summary>Address of the payload, valid until it grows.</summary>
    public byte* Pointer => (byte*)Unsafe.AsPointer(ref _bytes[FrameHead.Bytes]);

    public void Clear() => Length = 0;

    /// <summary>Makes the payload this long; what is in it is undefined.</summary>
    public void Resize(int length)
    {
        Length = 0;
        Extend(length);
    }

    /// <summary>Extends the payload; returns the new part, to be filled before the next call.</summary>
    public Span<byte> Extend(int count)
    {
        var needed = checked(FrameHead.Bytes + Length + count);
        if (needed > _bytes.Length)
        {
            var larger = GC.AllocateUninitializedArray<byte>((int)Math.Min(Array.MaxLength, Math.Max((long)needed, 2L * _bytes.Length)), pinned: true);
            Frame.Span.CopyTo(larger);
            _bytes = larger;
        }

        var part = _bytes.AsSpan(FrameHead.Bytes + Length, count);
        Length += count;
        return part;
    }

    public void Append(ReadOnlySpan<byte> bytes) => bytes.CopyTo(Extend(bytes.Length));

    public void Append(int value) => System.Buffers.Binary.BinaryPrimitives.WriteInt32LittleEndian(Extend(sizeof(int)), value);

    public void Append(string text)
    {
        var count = System.Text.Encoding.UTF8.GetByteCount(text);
        Append(count);
        System.Text.Encoding.UTF8.GetBytes(text, Extend(count));
    }

    /// <summary>Writes the head for the payload as it is.</summary>
    public void Seal(FrameKind kind, uint request) => new FrameHead(Length, kind, request).Write(Head, Payload);
}
