using Loire.Actors.Serialization;
using Orleans.Runtime;

namespace Loire.Actors.Transport;

/// <remarks>
/// Alone, a frame is written at once by the thread that made it. With more calls on their way, writing is left to a work item behind
/// all that is ready to run now: what those add goes along in one system call.
/// </remarks>
internal sealed partial class Connection : IThreadPoolWorkItem
{
    // From so many calls on their way, writing waits for others to join.
    private const int Busy = 3;

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
        Writing writing;
        lock (_lock)
        {
            if (_closed is not null)
            {
                return;
            }

            writing = Queue(frame, _unansweredCalls);
        }

        Write(frame, writing);
    }

    void IThreadPoolWorkItem.Execute()
    {
        if (Next(null) is { } next)
        {
            _ = FlushAsync(next);
        }
    }

    // Whoever comes while somebody writes leaves its frame to that one.
    private Writing Queue(WireWriter frame, int others)
    {
        var bytes = frame.TotalLength;
        _queuedBytes += bytes;
        if (!_isSending)
        {
            _isSending = true;
            if (others < Busy || bytes > SmallFrame)
            {
                return Writing.Now;
            }

            _queue.Enqueue(frame);
            return Writing.Soon;
        }

        _queue.Enqueue(frame);
        return Writing.ByAnother;
    }

    private void Write(WireWriter frame, Writing writing)
    {
        if (writing == Writing.Now)
        {
            _ = FlushAsync(frame);
        }
        else if (writing == Writing.Soon)
        {
            ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
        }
    }

    private enum Writing
    {
        Now,
        Soon,
        ByAnother,
    }

    private async Task FlushAsync(WireWriter first)
    {
        try
        {
            var next = first;
            for (var round = 1; next is not null; round++)
            {
                if (next.Attached.Count == 0)
                {
                    await _channel.SendAsync(next.Memory, _stop.Token).ConfigureAwait(false);
                }
                else
                {
                    await _channel.SendAsync(next.Memory, next.Attached, _stop.Token).ConfigureAwait(false);
                }

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

    private WireWriter? Next(WireWriter? sent)
    {
        var bytes = sent?.TotalLength ?? 0;
        WireWriter? next = null;
        TaskCompletionSource? drained = null;
        List<WireWriter>? joined = null;
        lock (_lock)
        {
            _queuedBytes -= bytes;
            if (_queue.TryDequeue(out next))
            {
                var total = next.Length;
                while (IsSmall(next) && _queue.TryPeek(out var other) && IsSmall(other) && total + other.Length <= JoinedBytes)
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

        if (sent is not null)
        {
            Frame.Free(sent);
        }

        drained?.TrySetResult();
        foreach (var other in joined ?? [])
        {
            next!.Raw(other.Written);
            Frame.Free(other);
        }

        return next;
    }

    private static bool IsSmall(WireWriter frame) => frame.Length <= SmallFrame && frame.Attached.Count == 0;

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
