namespace Loire.Engine.Backends.Cpu;

/// <summary>Work that every worker of a team runs at once, in phases separated by barriers.</summary>
internal interface ITeamWork
{
    void Run(Worker worker);
}

/// <summary>Threads that run the same program on the parts of one step. The caller of <see cref="Run"/> is worker 0.</summary>
/// <remarks>
/// Workers spin for a while between steps and phases, which costs less than waking them, then give the core away.
/// Where other processes take the cores, a worker that has lost its core holds all others up at every barrier: short steps then run on the
/// caller alone for a while, which is slower than a team on cores of its own and many times faster than one without.
/// An exception of any worker ends the team's use: the others would wait for it for ever, so the process fails fast.
/// </remarks>
internal sealed class WorkerTeam : IDisposable
{
    /// <summary>About 2 ms. A worker that yields on a busy machine comes back a time slice later, and there are dozens of phases in a step: it does so only when another worker has lost its core.</summary>
    private const int SpinsBeforeYield = 50_000;

    /// <summary>About 150 µs: longer than what lies between two steps, so that the next one finds everybody awake.</summary>
    private const int SpinsBeforePark = 4_000;

    /// <summary>Steps that run on one worker after a step in which somebody waited for a time slice. Doubled while that goes on.</summary>
    private const int FewestStepsAlone = 32, MostStepsAlone = 2048;

    private readonly Thread[] _threads;
    private readonly SemaphoreSlim _parked = new(0);
    private ITeamWork? _work;
    private int _generation;
    private int _parkedCount;
    private int _arrived;
    private int _phase;
    private int _ticket;
    private int _stalls;
    private int _stepsAlone;
    private int _nextStepsAlone = FewestStepsAlone;
    private int _active;
    private volatile bool _stopping;

    public WorkerTeam(int workers)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(workers);
        Count = workers;
        _active = workers;
        _threads = new Thread[workers - 1];
        for (var i = 0; i < _threads.Length; i++)
        {
            var index = i + 1;
            _threads[i] = new Thread(() => Serve(index)) { IsBackground = true, Name = $"loire-cpu-{index}" };
            _threads[i].Start();
        }
    }

    public int Count { get; }

    /// <summary>Workers of the step that runs.</summary>
    internal int Active => _active;

    /// <summary>Runs the work on all workers and returns when all are done. One caller at a time.</summary>
    /// <param name="work">What each runs.</param>
    /// <param name="isShort">Whether it takes so little that the caller alone may run it while the cores are taken.</param>
    public void Run(ITeamWork work, bool isShort = false)
    {
        if (isShort && Count > 1 && _stepsAlone > 0)
        {
            _stepsAlone--;
            RunAlone(work);
            return;
        }

        _stalls = 0;
        RunTogether(work);
        if (isShort)
        {
            Judge();
        }
    }

    private void RunAlone(ITeamWork work)
    {
        _active = 1;
        _ticket = 0;
        work.Run(new Worker(this, 0));
        _active = Count;
    }

    /// <summary>After a short step of the whole team: whether its members have their cores.</summary>
    private void Judge()
    {
        if (_stalls == 0)
        {
            _nextStepsAlone = Math.Max(FewestStepsAlone, _nextStepsAlone - 1);
            return;
        }

        _stepsAlone = _nextStepsAlone;
        _nextStepsAlone = Math.Min(MostStepsAlone, _nextStepsAlone * 2);
    }

    private void RunTogether(ITeamWork work)
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
        if (Interlocked.Increment(ref _arrived) == _active)
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
                _stalls = 1;
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

    public int Count => team.Active;

    /// <summary>Returns when every worker has arrived. Claims start anew.</summary>
    public void Barrier() => team.Barrier();

    /// <summary>Takes the next chunk of this phase's items, whoever is free first. False: none is left.</summary>
    public bool Claim(int items, int chunk, out int first, out int end) => team.Claim(items, chunk, out first, out end);

    /// <summary>This worker's fixed share of this phase's items.</summary>
    public (int First, int End) Share(int items) =>
        ((int)((long)items * index / Count), (int)((long)items * (index + 1) / Count));
}
