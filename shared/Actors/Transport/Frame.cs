using System.Buffers.Binary;
using Loire.Actors.Serialization;
using Orleans.Runtime;

namespace Loire.Actors.Transport;

/// <summary>What a frame carries.</summary>
internal enum FrameKind : byte
{
    /// <summary>A call: number, method, grain, deadline, arguments.</summary>
    Call = 1,

    /// <summary>The answer of a call.</summary>
    Answer = 2,

    /// <summary>The exception of a call.</summary>
    Failure = 3,

    /// <summary>The grain is not here; where it is, if that is known.</summary>
    Rejection = 4,

    /// <summary>The caller does not wait any more.</summary>
    Cancel = 5,

    /// <summary>Asks for a <see cref="Pong"/>.</summary>
    Ping = 6,

    /// <summary>The connection stands.</summary>
    Pong = 7,

    /// <summary>Part of the handshake.</summary>
    Handshake = 8,

    /// <summary>The sender stops: nothing new, please; close when the last answer is here.</summary>
    Goodbye = 9,
}

/// <summary>Frames on the wire: length of the body and its checksum, four bytes each, little-endian; then the body, whose first byte is its <see cref="FrameKind"/>; then large arrays of its arguments, if it has any.</summary>
internal static class Frame
{
    public const int HeadBytes = 8;

    // The highest bit of the length: arrays follow, whose lengths and checksums end the body.
    private const uint AttachedFlag = 1u << 31;

    // What a pooled buffer may keep; a larger one is left to the collector.
    private const int KeptBytes = 1 << 20;
    private const int PoolSize = 64;

    private static readonly System.Collections.Concurrent.ConcurrentQueue<WireWriter> Pool = new();

    [ThreadStatic]
    private static WireWriter? _own;

    /// <summary>A frame of this kind, to write the body of.</summary>
    public static WireWriter Begin(FrameKind kind)
    {
        var writer = _own;
        _own = null;
        if (writer is null && !Pool.TryDequeue(out writer))
        {
            writer = new WireWriter();
        }

        writer.Clear();
        writer.Fixed64(0);
        writer.Byte((byte)kind);
        return writer;
    }

    /// <summary>A frame of this kind about a call.</summary>
    public static WireWriter Begin(FrameKind kind, uint call)
    {
        var writer = Begin(kind);
        writer.Fixed32(call);
        return writer;
    }

    /// <summary>Fills in length and checksum.</summary>
    /// <exception cref="OrleansException">The frame is larger than <paramref name="limit"/>.</exception>
    public static void End(WireWriter writer, int limit)
    {
        var total = writer.TotalLength - HeadBytes;
        if (total > limit)
        {
            throw new OrleansException(
                $"The message has {total:N0} bytes, and {nameof(TransportOptions)}.{nameof(TransportOptions.MaxFrameBytes)} is {limit:N0}: send it in parts, as a stream, or raise the limit in all processes.");
        }

        foreach (var bytes in writer.Attached)
        {
            writer.Fixed32((uint)bytes.Length);
            writer.Fixed32(Checksum.Of(bytes));
        }

        if (writer.Attached.Count > 0)
        {
            writer.Fixed32((uint)writer.Attached.Count);
        }

        var body = writer.Written[HeadBytes..];
        var head = writer.Buffer.AsSpan(0, HeadBytes);
        BinaryPrimitives.WriteUInt32LittleEndian(head, (uint)body.Length | (writer.Attached.Count > 0 ? AttachedFlag : 0));
        BinaryPrimitives.WriteUInt32LittleEndian(head[4..], Checksum.Of(body));
    }

    /// <summary>Takes a frame back when it was sent, or is not needed.</summary>
    public static void Free(WireWriter writer)
    {
        writer.Clear();
        if (writer.Buffer.Length > KeptBytes)
        {
            return;
        }

        if (_own is null)
        {
            _own = writer;
        }
        else if (Pool.Count < PoolSize)
        {
            Pool.Enqueue(writer);
        }
    }

    /// <summary>The length of the body that a head announces.</summary>
    /// <exception cref="OrleansException">No frame has this length.</exception>
    public static int LengthOf(ReadOnlySpan<byte> head, int limit)
    {
        var length = BinaryPrimitives.ReadUInt32LittleEndian(head) & ~AttachedFlag;
        return length > 0 && length <= limit
            ? (int)length
            : throw new OrleansException($"A frame announces {length:N0} bytes, where 1 to {limit:N0} are allowed.");
    }

    /// <summary>Whether arrays follow the body.</summary>
    public static bool HasAttached(ReadOnlySpan<byte> head) => (BinaryPrimitives.ReadUInt32LittleEndian(head) & AttachedFlag) != 0;

    /// <summary>Makes the arrays that follow a body, empty, with their checksums; <paramref name="length"/> is how much of the body is its content.</summary>
    /// <exception cref="OrleansException">The body's end says nothing sensible of them.</exception>
    public static (byte[][] Arrays, uint[] Checksums) AttachedTo(ReadOnlySpan<byte> body, int limit, out int length)
    {
        var count = body.Length >= sizeof(uint) ? BinaryPrimitives.ReadUInt32LittleEndian(body[^sizeof(uint)..]) : 0;
        length = (int)Math.Max(-1, body.Length - sizeof(uint) - (count * HeadBytes));
        if (count == 0 || length < 1)
        {
            throw new OrleansException($"{count} arrays are to follow a frame of {body.Length:N0} bytes, which has no room for their lengths.");
        }

        var arrays = new byte[count][];
        var checksums = new uint[count];
        long total = body.Length;
        for (var index = 0; index < arrays.Length; index++)
        {
            var entry = body[(length + (index * HeadBytes))..];
            var bytes = BinaryPrimitives.ReadUInt32LittleEndian(entry);
            total += bytes;
            if (total > limit)
            {
                throw new OrleansException($"A frame and its arrays announce {total:N0} bytes, where {limit:N0} are allowed.");
            }

            arrays[index] = GC.AllocateUninitializedArray<byte>((int)bytes);
            checksums[index] = BinaryPrimitives.ReadUInt32LittleEndian(entry[4..]);
        }

        return (arrays, checksums);
    }

    /// <exception cref="OrleansException">The body is not the one that was sent.</exception>
    public static void Check(ReadOnlySpan<byte> head, ReadOnlySpan<byte> body)
    {
        if (BinaryPrimitives.ReadUInt32LittleEndian(head[4..]) != Checksum.Of(body))
        {
            throw new OrleansException($"The checksum of a frame of {body.Length:N0} bytes is wrong: it was changed on its way.");
        }
    }
}
