using System.Runtime.CompilerServices;

namespace Loire.Actors.Transport;

/// <summary>Lets the thread that read a call run it, without a way through the thread pool: the first activation that a batch of frames wakes.</summary>
/// <remarks>It runs after the next receive was begun, so that a grain that blocks its thread does not hold up the connection.</remarks>
internal static class ReaderSlot
{
    [ThreadStatic]
    private static bool _isArmed;

    [ThreadStatic]
    private static IThreadPoolWorkItem? _work;

    public static void Arm() => (_isArmed, _work) = (true, null);

    public static IThreadPoolWorkItem? Disarm()
    {
        var work = _work;
        (_isArmed, _work) = (false, null);
        return work;
    }

    /// <summary>Schedules work: on this thread, if it reads and has none yet; else on the pool.</summary>
    public static void Schedule(IThreadPoolWorkItem work)
    {
        if (_isArmed && _work is null)
        {
            _work = work;
        }
        else
        {
            ThreadPool.UnsafeQueueUserWorkItem(work, preferLocal: true);
        }
    }
}

/// <summary>Awaits a receive, and runs work on this thread as soon as somebody else will go on with what is received.</summary>
internal readonly struct ReceiveThenRun(ValueTask<int> receiving, IThreadPoolWorkItem? work) : ICriticalNotifyCompletion
{
    private readonly ConfiguredValueTaskAwaitable<int>.ConfiguredValueTaskAwaiter _receiving = receiving.ConfigureAwait(false).GetAwaiter();

    public bool IsCompleted
    {
        get
        {
            if (!_receiving.IsCompleted)
            {
                return false;
            }

            if (work is not null)
            {
                ThreadPool.UnsafeQueueUserWorkItem(work, preferLocal: true);
            }

            return true;
        }
    }

    public ReceiveThenRun GetAwaiter() => this;

    public int GetResult() => _receiving.GetResult();

    public void OnCompleted(Action continuation) => UnsafeOnCompleted(continuation);

    public void UnsafeOnCompleted(Action continuation)
    {
        _receiving.UnsafeOnCompleted(continuation);
        work?.Execute();
    }
}
