using Loire.Actors.Serialization;
using Orleans.Runtime;

namespace Loire.Actors.Transport;

internal sealed partial class Connection
{
    private const int BufferBytes = 256 << 10;

    private const int ReadAhead = 4 << 10;
    private const int MaxUnanswered = 3;

    private readonly TargetCache _targets = new();
    private Partial? _partial;
    private bool _arraysCome;
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
        IThreadPoolWorkItem? work = null;
        try
        {
            var buffer = GC.AllocateUninitializedArray<byte>(BufferBytes);
            var reader = new WireReader(default, _runtime);
            int start = 0, end = 0;
            while (true)
            {
                // Where arrays come, little is read ahead: they are received where they stay.
                var free = new ArraySegment<byte>(buffer, end, _arraysCome ? Math.Min(ReadAhead, buffer.Length - end) : buffer.Length - end);
                var receiving = new ReceiveThenRun(ReceiveAsync(free), work);
                work = null;
                var count = await receiving;
                if (!Heard(count))
                {
                    return;
                }

                ReaderSlot.Arm();
                try
                {
                    end += FillArrays(count, reader);
                    if (_partial is null)
                    {
                        start = ReadFrames(buffer, start, end, reader);
                    }
                }
                finally
                {
                    work = ReaderSlot.Disarm();
                }

                if (_partial is not null)
                {
                    continue;
                }

                buffer = MakeRoom(buffer, ref start, ref end);
                var room = RoomAsync();
                if (!room.IsCompleted)
                {
                    RunElsewhere(ref work);
                    await room.ConfigureAwait(false);
                }
            }
        }
        catch (Exception exception)
        {
            RunElsewhere(ref work);
            Close(exception);
        }
    }

    private ValueTask<int> ReceiveAsync(ArraySegment<byte> free) => _partial is not { } partial
        ? _channel.ReceiveAsync(free.AsMemory(), _stop.Token)
        : partial.IsLast && free.Count > 0
            ? _channel.ReceiveAsync(partial.Rest, free, _stop.Token)
            : _channel.ReceiveAsync(partial.Rest.AsMemory(), _stop.Token);

    // What of the received bytes is not of the arrays that were awaited.
    private int FillArrays(int count, WireReader reader)
    {
        if (_partial is { } partial)
        {
            count -= partial.Fill(count);
            if (partial.IsFull)
            {
                _partial = null;
                Handle(partial, reader);
            }
        }

        return count;
    }

    private bool Heard(int count)
    {
        Volatile.Write(ref _heard, 1);
        if (count == 0)
        {
            Close(new IOException($"{Peer} closed the connection."));
        }

        return count > 0;
    }

    private static void RunElsewhere(ref IThreadPoolWorkItem? work)
    {
        if (work is not null)
        {
            ThreadPool.UnsafeQueueUserWorkItem(work, preferLocal: true);
            work = null;
        }
    }

    private void Handle(Partial partial, WireReader reader)
    {
        for (var index = 0; index < partial.Arrays.Length; index++)
        {
            if (Checksum.Of(partial.Arrays[index]) != partial.Checksums[index])
            {
                throw new OrleansException($"The checksum of an array of {partial.Arrays[index].Length:N0} bytes is wrong: it was changed on its way.");
            }
        }

        reader.Reset(partial.Body, partial.Arrays);
        Handle(reader);
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
            start += Frame.HeadBytes + length;
            _arraysCome = Frame.HasAttached(head);
            if (!_arraysCome)
            {
                reader.Reset(body);
                Handle(reader);
                continue;
            }

            var (arrays, checksums) = Frame.AttachedTo(body.Span, _options.MaxFrameBytes, out var content);
            var partial = new Partial(body[..content], arrays, checksums);
            start += partial.Take(buffer.AsSpan(start, end - start));
            if (!partial.IsFull)
            {
                _partial = partial;
                break;
            }

            Handle(partial, reader);
        }

        return start;
    }

    /// <summary>A frame whose arrays are not all here yet.</summary>
    private sealed class Partial(ReadOnlyMemory<byte> body, byte[][] arrays, uint[] checksums)
    {
        private int _array;
        private int _filled;

        public ReadOnlyMemory<byte> Body => body;

        public byte[][] Arrays => arrays;

        public uint[] Checksums => checksums;

        public bool IsFull => _array == arrays.Length;

        /// <summary>Whether what follows the array that is being filled is the next frame.</summary>
        public bool IsLast => _array == arrays.Length - 1;

        /// <summary>The part of an array that is received next.</summary>
        public ArraySegment<byte> Rest => new(arrays[_array], _filled, arrays[_array].Length - _filled);

        /// <summary>Takes what was read ahead.</summary>
        /// <returns>How many of the bytes were its arrays'.</returns>
        public int Take(ReadOnlySpan<byte> bytes)
        {
            var taken = 0;
            while (!IsFull)
            {
                var count = Math.Min(bytes.Length - taken, Rest.Count);
                bytes.Slice(taken, count).CopyTo(Rest);
                taken += count;
                if (Fill(count) == 0 && !IsFull && Rest.Count > 0)
                {
                    break;
                }
            }

            return taken;
        }

        /// <summary>So many bytes were received at <see cref="Rest"/> and behind it.</summary>
        /// <returns>How many of them were the array's.</returns>
        public int Fill(int count)
        {
            count = Math.Min(count, Rest.Count);
            _filled += count;
            while (!IsFull && Rest.Count == 0)
            {
                (_array, _filled) = (_array + 1, 0);
            }

            return count;
        }
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
