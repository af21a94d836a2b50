namespace Loire.Engine.Backends.Cpu;

/// <summary>Work that every worker of a team runs at once, in phases separated by barriers.</summary>
internal interface ITeamWork
{
    void Run(Worker worker);
}

/// <summary>Threads that run the same program on the parts of one step. The caller of <see cref="Run"/> is worker 0.</summary>
/// <remarks>
/// Workers spin for a while between steps and phases, which costs less than waking them, then give the core away.
/// An exception of any worker ends the team's use: the others would wait for it for ever, so the process fails fast.
/// </remarks>
internal sealed class WorkerTeam : IDisposable
{
    /// <summary>About 2 ms. A worker that yields on a busy machine comes back a time slice later, and there are dozens of phases in a step: it does so only when another worker has lost its core.</summary>
    private const int SpinsBeforeYield = 50_000;

    /// <summary>About 150 µs: longer than what lies between two steps, so that the next one finds everybody awake.</summary>
    private const int SpinsBeforePark = 4_000;

    private readonly Thread[] _threads;
    private readonly SemaphoreSlim _parked = new(0);
    private ITeamWork? _work;
    private int _generation;
    private int _parkedCount;
    private int _arrived;
    private int _phase;
    private int _ticket;
    private volatile bool _stopping;

    public WorkerTeam(int workers)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(workers);
        Count = workers;
        _threads = new Thread[workers - 1];
        for (var i = 0; i < _threads.Length; i++)
        {
            var index = i + 1;
            _threads[i] = new Thread(() => Serve(index)) { IsBackground = true, Name = $"loire-cpu-{index}" };
            _threads[i].Start();
        }
    }

    public int Count { get; }

    /// <summary>Runs the work on all workers and returns when all are done. One caller at a time.</summary>
    public void Run(ITeamWork work)
    {
        _work = work;
        Volatile.Write(ref _ticket, 0);
        Interlocked.Increment(ref _generation);
        var parked = Volatile.Read(ref _parkedCount);
        if (parked > 0)
        {
            _parked.Release(parked);
        }

        var self = new Worker(this, 0);
        work.Run(self);
        self.Barrier();
    }

    public void Dispose()
    {
        _stopping = true;
        Interlocked.Increment(ref _generation);
        _parked.Release(Count);
        foreach (var thread in _threads)
        {
            thread.Join();
        }

        _parked.Dispose();
    }

    internal void Barrier()
    {
        var phase = Volatile.Read(ref _phase);
        if (Interlocked.Increment(ref _arrived) == Count)
        {
            _arrived = 0;
            _ticket = 0;
            Volatile.Write(ref _phase, phase + 1);
            return;
        }

        for (var spins = 0; Volatile.Read(ref _phase) == phase; spins++)
        {
            if (spins < SpinsBeforeYield)
            {
                Thread.SpinWait(1);
            }
            else
            {
                Thread.Yield();
            }
        }
    }

    internal bool Claim(int items, int chunk, out int first, out int end)
    {
        first = Interlocked.Add(ref _ticket, chunk) - chunk;
        end = Math.Min(first + chunk, items);
        return first < items;
    }

    private void Serve(int index)
    {
        var worker = new Worker(this, index);
        var seen = 0;
        while (true)
        {
            AwaitWork(seen);
            seen++;
            if (_stopping)
            {
                return;
            }

            try
            {
                _work!.Run(worker);
            }
            catch (Exception defect)
            {
                Environment.FailFast($"Worker {index} of {Count} failed in the middle of a step: {defect.Message}", defect);
            }

            Barrier();
        }
    }

    private void AwaitWork(int seen)
    {
        for (var spins = 0; Volatile.Read(ref _generation) == seen; spins++)
        {
            if (spins < SpinsBeforePark)
            {
                Thread.SpinWait(1);
            }
            else
            {
                Park(seen);
            }
        }
    }

    private void Park(int seen)
    {
        Interlocked.Increment(ref _parkedCount);
        // Run raises the generation before it reads the count, so one of the two sees the other.
        if (Volatile.Read(ref _generation) == seen)
        {
            _parked.Wait();
        }

        Interlocked.Decrement(ref _parkedCount);
    }
}

/// <summary>One worker's view of its team during a step.</summary>
internal readonly struct Worker(WorkerTeam team, int index)
{
    public int Index => index;

    public int Count => team.Count;

    /// <summary>Returns when every worker has arrived. Claims start anew.</summary>
    public void Barrier() => team.Barrier();

    /// <summary>Takes the next chunk of this phase's items, whoever is free first. False: none is left.</summary>
    public bool Claim(int items, int chunk, out int first, out int end) => team.Claim(items, chunk, out first, out end);

    /// <summary>This worker's fixed share of this phase's items.</summary>
    public (int First, int End) Share(int items) =>
        ((int)((long)items * index / team.Count), (int)((long)items * (index + 1) / team.Count));
}
