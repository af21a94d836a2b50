using Loire.Actors.Serialization;
using Orleans.Runtime;

namespace Loire.Actors.Transport;

internal sealed partial class Connection
{
    // Frames up to this size are joined, so that many small ones cost one system call.
    private const int JoinedBytes = 128 << 10;
    private const int SmallFrame = 16 << 10;

    // A caller's thread writes this often for others before the thread pool takes over.
    private const int Rounds = 8;

    private readonly Queue<WireWriter> _queue = new();
    private TaskCompletionSource? _drained;
    private long _queuedBytes;
    private bool _isSending;

    /// <summary>Sends a frame that is no call. A connection that has closed drops it.</summary>
    /// <exception cref="OrleansException">It is too large.</exception>
    public void Send(WireWriter frame)
    {
        Frame.End(frame, _options.MaxFrameBytes);
        bool first;
        lock (_lock)
        {
            if (_closed is not null)
            {
                return;
            }

            first = Queue(frame);
        }

        if (first)
        {
            _ = FlushAsync(frame);
        }
    }

    // True for the one that is to write, beginning with this frame: whoever comes meanwhile leaves its frame to it.
    private bool Queue(WireWriter frame)
    {
        _queuedBytes += frame.Length;
        if (_isSending)
        {
            _queue.Enqueue(frame);
            return false;
        }

        return _isSending = true;
    }

    private async Task FlushAsync(WireWriter first)
    {
        try
        {
            var next = first;
            for (var round = 1; next is not null; round++)
            {
                await _channel.SendAsync(next.Memory, _stop.Token).ConfigureAwait(false);
                next = Next(next);
                if (round % Rounds == 0 && next is not null)
                {
                    await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
                }
            }

            if (_waiting.Count > 0)
            {
                SendWaiting();
            }
        }
        catch (Exception exception)
        {
            Close(exception);
        }
    }

    private WireWriter? Next(WireWriter sent)
    {
        var bytes = sent.Length;
        WireWriter? next = null;
        TaskCompletionSource? drained = null;
        List<WireWriter>? joined = null;
        lock (_lock)
        {
            _queuedBytes -= bytes;
            if (_queue.TryDequeue(out next))
            {
                var total = next.Length;
                while (next.Length <= SmallFrame && _queue.TryPeek(out var other) && other.Length <= SmallFrame && total + other.Length <= JoinedBytes)
                {
                    (joined ??= []).Add(_queue.Dequeue());
                    total += other.Length;
                }
            }
            else
            {
                _isSending = false;
                SignalIdle();
            }

            if (_drained is not null && _queuedBytes <= _options.SendQueueBytes / 2)
            {
                drained = _drained;
                _drained = null;
            }
        }

        Frame.Free(sent);
        drained?.TrySetResult();
        foreach (var other in joined ?? [])
        {
            next!.Raw(other.Written);
            Frame.Free(other);
        }

        return next;
    }

    /// <summary>Waits until answers have room: the side that answers stops reading calls while its answers are not read.</summary>
    private Task RoomAsync()
    {
        lock (_lock)
        {
            return _isDialled || _queuedBytes <= _options.SendQueueBytes || _closed is not null
                ? Task.CompletedTask
                : (_drained ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).Task;
        }
    }
}
