namespace Loire.Engine.State;

/// <summary>Counts who reads or writes states beside the stepping thread: open snapshots and running restores.</summary>
/// <remarks>The memory of states is freed when the last of them has left: a copy taken from freed memory would be stored under a name that promises a state.</remarks>
internal sealed class StateUsers
{
    private readonly Lock _gate = new();
    private readonly TaskCompletionSource _closed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _count;
    private bool _closing;

    /// <summary>Any thread.</summary>
    public void Enter()
    {
        lock (_gate)
        {
            _count++;
        }
    }

    /// <summary>Any thread.</summary>
    public void Leave()
    {
        lock (_gate)
        {
            _count--;
            CloseIfQuiet();
        }
    }

    /// <summary>Waits for those who are there. Nobody enters any more: the loop that let them in has ended.</summary>
    public Task CloseAsync()
    {
        lock (_gate)
        {
            _closing = true;
            CloseIfQuiet();
        }

        return _closed.Task;
    }

    private void CloseIfQuiet()
    {
        if (_closing && _count == 0)
        {
            _closed.TrySetResult();
        }
    }
}
