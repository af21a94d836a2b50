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

/// <summary>Frames on the wire: length of the body and its checksum, four bytes each, little-endian; then the body, whose first byte is its <see cref="FrameKind"/>.</summary>
internal static class Frame
{
    public const int HeadBytes = 8;

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
        var body = writer.Written[HeadBytes..];
        if (body.Length > limit)
        {
            throw new OrleansException(
                $"The message has {body.Length:N0} bytes, and {nameof(TransportOptions)}.{nameof(TransportOptions.MaxFrameBytes)} is {limit:N0}: send it in parts, as a stream, or raise the limit in all processes.");
        }

        var head = writer.Buffer.AsSpan(0, HeadBytes);
        BinaryPrimitives.WriteInt32LittleEndian(head, body.Length);
        BinaryPrimitives.WriteUInt32LittleEndian(head[4..], Checksum.Of(body));
    }

    /// <summary>Takes a frame back when it was sent, or is not needed.</summary>
    public static void Free(WireWriter writer)
    {
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
        var length = BinaryPrimitives.ReadInt32LittleEndian(head);
        return length > 0 && length <= limit
            ? length
            : throw new OrleansException($"A frame announces {length:N0} bytes, where 1 to {limit:N0} are allowed.");
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
