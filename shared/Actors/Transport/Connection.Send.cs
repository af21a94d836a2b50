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

    // So much goes out in one system call, if it is there: many small frames, or a few large ones.
    private const int JoinedBytes = 128 << 10;
    private const int SmallFrame = 16 << 10;

    // A caller's thread writes this often for others before the thread pool takes over.
    private const int Rounds = 8;

    private readonly Queue<WireWriter> _queue = new();
    private readonly FrameBatch _batch = new();
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

    void IThreadPoolWorkItem.Execute() => _ = FlushAsync(null);

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

    private async Task FlushAsync(WireWriter? first)
    {
        try
        {
            if (first is not null)
            {
                _batch.Add(first);
            }

            for (var round = 1; !_batch.IsEmpty || TakeQueued(); round++)
            {
                await _batch.SendAsync(_channel, _stop.Token).ConfigureAwait(false);
                TakeBack();
                if (round % Rounds == 0)
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

    // False when nothing is left: whoever comes next writes for itself.
    private bool TakeQueued()
    {
        lock (_lock)
        {
            while (_queue.TryPeek(out var next) && (_batch.IsEmpty || _batch.Bytes + next.TotalLength <= JoinedBytes))
            {
                _batch.Add(_queue.Dequeue());
            }

            if (_batch.IsEmpty)
            {
                _isSending = false;
                SignalIdle();
            }

            return _isSending;
        }
    }

    private void TakeBack()
    {
        TaskCompletionSource? drained = null;
        lock (_lock)
        {
            _queuedBytes -= _batch.Bytes;
            if (_drained is not null && _queuedBytes <= _options.SendQueueBytes / 2)
            {
                drained = _drained;
                _drained = null;
            }
        }

        _batch.Clear();
        drained?.TrySetResult();
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
