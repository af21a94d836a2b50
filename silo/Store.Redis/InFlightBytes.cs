namespace Loire.Store.Redis;

/// <summary>Bounds the bytes that are on their way at once. Who asks for more waits, first come, first served.</summary>
internal sealed class InFlightBytes
{
    private readonly Lock _lock = new();
    private readonly LinkedList<(long Bytes, TaskCompletionSource Turn)> _waiting = [];
    private readonly long _most;
    private long _free;

    /// <param name="most">Bytes that there is room for.</param>
    public InFlightBytes(long most) => _most = _free = most;

    /// <summary>Waits for room. What is larger than all the room goes alone.</summary>
    /// <returns>What to give back, by <see cref="Release"/>.</returns>
    /// <exception cref="TimeoutException">There was no room in time.</exception>
    public async ValueTask<long> EnterAsync(long bytes, TimeSpan timeout, CancellationToken cancellationToken)
    {
        var taken = Math.Min(bytes, _most);
        LinkedListNode<(long Bytes, TaskCompletionSource Turn)> place;
        lock (_lock)
        {
            if (_waiting.Count == 0 && _free >= taken)
            {
                _free -= taken;
                return taken;
            }

            place = _waiting.AddLast((taken, new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)));
        }

        try
        {
            await place.Value.Turn.Task.WaitAsync(timeout, cancellationToken);
            return taken;
        }
        catch
        {
            Leave(place);
            throw;
        }
    }

    public void Release(long bytes)
    {
        lock (_lock)
        {
            _free += bytes;
            Admit();
        }
    }

    private void Leave(LinkedListNode<(long Bytes, TaskCompletionSource Turn)> place)
    {
        lock (_lock)
        {
            if (place.Value.Turn.Task.IsCompleted)
            {
                _free += place.Value.Bytes;
            }
            else
            {
                _waiting.Remove(place);
            }

            Admit();
        }
    }

    private void Admit()
    {
        while (_waiting.First is { } first && first.Value.Bytes <= _free)
        {
            _waiting.RemoveFirst();
            _free -= first.Value.Bytes;
            first.Value.Turn.SetResult();
        }
    }
}
