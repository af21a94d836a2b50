using System.Buffers.Binary;

namespace Loire.Engine.Links;

/// <summary>What a frame asks for or answers.</summary>
internal enum FrameKind : byte
{
    /// <summary>Handshake, both ways.</summary>
    Hello = 1,

    /// <summary>The answer to a request, of the request's number.</summary>
    Answer = 2,

    /// <summary>Why a request failed, as UTF-8.</summary>
    Failure = 3,

    OpenShard = 10,
    Experts = 11,
    ShardLoad = 12,

    ClearLoad = 13,

    OpenStage = 20,
    Step = 21,
    ReadRecurrent = 22,
    ReadKeyValues = 23,
    Route = 24,

    OpenState = 25,
    ReadState = 26,

    /// <summary>From here on nothing is answered: what follows on the link finds it done.</summary>
    ClearState = 30,
    WriteRecurrent = 31,
    WriteKeyValues = 32,
}

/// <summary>The first bytes of a frame, little-endian: payload length (4), kind (1), zero (3), request number (4), CRC-32C (4) of the twelve bytes before it and the payload.</summary>
/// <param name="Length">Of the payload, in bytes.</param>
/// <param name="Kind">What it is.</param>
/// <param name="Request">Chosen by the side that asks; several are in flight.</param>
internal readonly record struct FrameHead(int Length, FrameKind Kind, uint Request)
{
    public const int Bytes = 16;
    private const int Checked = 12;

    /// <summary>Whether the other end answers.</summary>
    public bool IsAnswered => Kind < FrameKind.ClearState;

    public void Write(Span<byte> head, ReadOnlySpan<byte> payload)
    {
        BinaryPrimitives.WriteInt32LittleEndian(head, Length);
        BinaryPrimitives.WriteUInt32LittleEndian(head[4..], (byte)Kind);
        BinaryPrimitives.WriteUInt32LittleEndian(head[8..], Request);
        BinaryPrimitives.WriteUInt32LittleEndian(head[Checked..], Crc32C.Extend(Crc32C.Extend(0, head[..Checked]), payload));
    }

    /// <exception cref="FrameException">No frame begins so.</exception>
    public static FrameHead Read(ReadOnlySpan<byte> head, int maxPayload)
    {
        var length = BinaryPrimitives.ReadInt32LittleEndian(head);
        if (length < 0 || length > maxPayload)
        {
            throw new FrameException($"A frame says that it has {length} bytes; at most {maxPayload} are allowed here.");
        }

        var kind = BinaryPrimitives.ReadUInt32LittleEndian(head[4..]);
        return kind <= byte.MaxValue && Enum.IsDefined((FrameKind)kind)
            ? new FrameHead(length, (FrameKind)kind, BinaryPrimitives.ReadUInt32LittleEndian(head[8..]))
            : throw new FrameException($"A frame is of kind {kind}, which this process does not know. Run the same version everywhere.");
    }

    /// <exception cref="FrameException">Some bit has changed on the way.</exception>
    public static void Check(ReadOnlySpan<byte> head, ReadOnlySpan<byte> payload)
    {
        var found = Crc32C.Extend(Crc32C.Extend(0, head[..Checked]), payload);
        var promised = BinaryPrimitives.ReadUInt32LittleEndian(head[Checked..]);
        if (found != promised)
        {
            throw new FrameException($"A frame of {payload.Length} bytes has checksum {found:x8}; its sender says {promised:x8}.");
        }
    }
}

/// <summary>Bytes that are no frame, or a payload that does not fit its kind. The link is of no more use.</summary>
internal sealed class FrameException(string message) : IOException(message);
