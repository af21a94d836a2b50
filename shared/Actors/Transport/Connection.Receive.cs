using Loire.Actors.Serialization;
using Orleans.Runtime;

namespace Loire.Actors.Transport;

internal sealed partial class Connection
{
    private const int BufferBytes = 256 << 10;

    private const int MaxUnanswered = 3;

    private readonly TargetCache _targets = new();
    private int _heard;
    private int _unanswered;

    /// <summary>Called once a period: asks a quiet peer whether it is there, and closes the connection when it has not answered three times.</summary>
    public void KeepAlive()
    {
        if (Interlocked.Exchange(ref _heard, 0) != 0)
        {
            _unanswered = 0;
        }
        else if (++_unanswered > MaxUnanswered)
        {
            Close(new IOException($"Silo {Peer} was silent for {MaxUnanswered} periods of {_options.KeepAlivePeriod}."));
        }
        else if (IsOpen)
        {
            Send(Frame.Begin(FrameKind.Ping, 0));
        }
    }

    private async Task ReceiveAsync()
    {
        try
        {
            var buffer = GC.AllocateUninitializedArray<byte>(BufferBytes);
            var reader = new WireReader(default, _runtime);
            int start = 0, end = 0;
            while (true)
            {
                var count = await _channel.ReceiveAsync(buffer.AsMemory(end), _stop.Token).ConfigureAwait(false);
                if (count == 0)
                {
                    Close(new IOException($"{Peer} closed the connection."));
                    return;
                }

                end += count;
                Volatile.Write(ref _heard, 1);
                start = ReadFrames(buffer, start, end, reader);
                buffer = MakeRoom(buffer, ref start, ref end);
                var room = RoomAsync();
                if (!room.IsCompleted)
                {
                    await room.ConfigureAwait(false);
                }
            }
        }
        catch (Exception exception)
        {
            Close(exception);
        }
    }

    private int ReadFrames(byte[] buffer, int start, int end, WireReader reader)
    {
        while (end - start >= Frame.HeadBytes)
        {
            var head = buffer.AsSpan(start, Frame.HeadBytes);
            var length = Frame.LengthOf(head, _options.MaxFrameBytes);
            if (end - start < Frame.HeadBytes + length)
            {
                break;
            }

            var body = buffer.AsMemory(start + Frame.HeadBytes, length);
            Frame.Check(head, body.Span);
            reader.Reset(body);
            Handle(reader);
            start += Frame.HeadBytes + length;
        }

        return start;
    }

    private void Handle(WireReader reader)
    {
        var kind = (FrameKind)reader.Byte();
        var call = reader.Fixed32();
        switch (kind)
        {
            case FrameKind.Call:
                Receive(call, reader);
                break;
            case FrameKind.Answer:
                Answer(Take(call), reader);
                CloseIfLeaving();
                break;
            case FrameKind.Failure:
                Fail(Take(call), reader);
                CloseIfLeaving();
                break;
            case FrameKind.Rejection:
                Reject(Take(call), reader);
                CloseIfLeaving();
                break;
            case FrameKind.Cancel:
                CancelCall(call);
                break;
            case FrameKind.Ping:
                Send(Frame.Begin(FrameKind.Pong, 0));
                break;
            case FrameKind.Pong:
                break;
            case FrameKind.Goodbye:
                Leave();
                break;
            default:
                throw new OrleansException($"A frame has the kind {(int)kind}, which this version does not know.");
        }
    }

    private void CloseIfLeaving()
    {
        if (_isLeaving)
        {
            CloseIfLeft();
        }
    }

    // A frame that does not fit gets a buffer of its own size; afterwards the usual one is used again.
    private byte[] MakeRoom(byte[] buffer, ref int start, ref int end)
    {
        var left = end - start;
        var needed = left >= Frame.HeadBytes ? Frame.HeadBytes + Frame.LengthOf(buffer.AsSpan(start, Frame.HeadBytes), _options.MaxFrameBytes) : Frame.HeadBytes;
        var size = Math.Max(needed, BufferBytes);
        var next = buffer;
        if (size != buffer.Length)
        {
            next = GC.AllocateUninitializedArray<byte>(size);
        }
        else if (left > 0 && buffer.Length - start >= needed && buffer.Length - end >= BufferBytes / 4)
        {
            return buffer;
        }

        buffer.AsSpan(start, left).CopyTo(next);
        start = 0;
        end = left;
        return next;
    }
}
