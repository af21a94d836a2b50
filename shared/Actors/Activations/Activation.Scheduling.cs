using Loire.Actors.Calls;
using Orleans.Runtime;

namespace Loire.Actors;

internal sealed partial class Activation
{
    // Long enough to amortise the way through the thread pool, short enough that a busy grain does not keep others waiting.
    private const int TurnsPerSlice = 64;

    private static readonly Action<object?> PumpAction = static activation => ((Activation)activation!).Pump();

    private readonly Queue<Task> _tasks = new();
    private bool _scheduled;

    public ActivationScheduler Scheduler { get; }

    public void QueueTask(Task task)
    {
        lock (_lock)
        {
            _tasks.Enqueue(task);
            if (_scheduled)
            {
                return;
            }

            _scheduled = true;
        }

        ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: true);
    }

    public Task[] QueuedTasks()
    {
        lock (_lock)
        {
            return [.. _tasks];
        }
    }

    /// <summary>Starts work on the scheduler, without the caller's execution context.</summary>
    public void Post(Func<Task> work)
    {
        if (ExecutionContext.IsFlowSuppressed())
        {
            Start();
            return;
        }

        using (ExecutionContext.SuppressFlow())
        {
            Start();
        }

        void Start() => new Task<Task>(work, CancellationToken.None, TaskCreationOptions.DenyChildAttach).Start(Scheduler);
    }

    void IThreadPoolWorkItem.Execute()
    {
        RuntimeContext.Current = this;
        try
        {
            for (var turn = 0; turn < TurnsPerSlice; turn++)
            {
                Task? task;
                lock (_lock)
                {
                    if (!_tasks.TryDequeue(out task) && _ready.Count == 0)
                    {
                        _scheduled = false;
                        return;
                    }
                }

                if (task is not null)
                {
                    Scheduler.Execute(task);
                }
                else
                {
                    // Calls start inside a task of the scheduler, so that what they await comes back to it.
                    new Task(PumpAction, this, CancellationToken.None, TaskCreationOptions.DenyChildAttach).RunSynchronously(Scheduler);
                }
            }
        }
        finally
        {
            RuntimeContext.Current = null;
        }

        ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
    }

    private void Pump()
    {
        var context = ExecutionContext.Capture();
        for (var turn = 0; turn < TurnsPerSlice; turn++)
        {
            Request? request;
            lock (_lock)
            {
                request = _ready.First;
                if (request is null)
                {
                    return;
                }

                _ready.Remove(request);
                _running.Add(request);
            }

            StartTurn(request);

            // A method that is not async may leave its request context behind.
            if (ExecutionContext.Capture() != context && context is not null)
            {
                ExecutionContext.Restore(context);
            }
        }
    }

    private void StartTurn(Request request)
    {
        if (request.Context is { } context)
        {
            RequestContext.Values = context;
        }

        if (request.IsAnswered && (request.Options & CallOptions.OneWay) == 0)
        {
            // Its caller was told that it waited in vain; nobody needs it any more.
            OnTurnEnded(request);
            request.LetGo();
        }
        else if (Runtime.HasLostLease)
        {
            OnTurnEnded(request);
            request.TryFail(new SiloUnavailableException(
                $"{request} was not started: silo {Runtime.Address} has lost its membership ({Runtime.Lease?.LostReason}), and others may activate its grains. Call again."));
            request.LetGo();
        }
        else if (Target is { } target)
        {
            request.Run(this, target);
        }
        else
        {
            OnTurnEnded(request);
            request.TryFail(new ClientNotAvailableException($"The observer behind {GrainId} was collected: keep the object alive while its reference is in use."));
            request.LetGo();
        }
    }
}
