using System.Threading.Channels;
using Loire.Engine.Backends;
using Loire.Engine.Links;
using Loire.Engine.Scheduling;
using Loire.Engine.State;

namespace Loire.Engine.Replica;

/// <summary>Admission, steps, sampling and release: everything that one thread does for a replica.</summary>
/// <remarks>
/// <para>One turn of the loop: (1) run what other threads have asked; (2) end cancelled sequences; (3) admit waiting ones;
/// (4) plan steps and enqueue them; (5) wait for the oldest, sample and hand out tokens. Only the stepping thread calls what is not marked otherwise.</para>
/// <para>When pages run out in the middle of a sequence, resident states go first, then the youngest sequence starts over
/// from its tokens: the oldest always gets on.</para>
/// <para>A place is given up only when no step under way has its sequence: until then nobody else writes there.</para>
/// </remarks>
internal sealed partial class StepLoop : IDisposable
{
    private readonly IBackend _backend;
    private readonly StatePlaces _places;
    private readonly StepScheduler _scheduler;
    private readonly StepBatch _batch;
    private readonly LinkedList<Sequence> _waiting = [];
    private readonly List<Sequence> _running = []; // in order of admission; restoring ones included
    private readonly List<Sequence> _planned = [];
    private readonly List<Sequence> _inStep = [];
    private readonly Candidate[] _candidates;
    private readonly int[] _counts;
    private readonly TokenBytes? _tokenBytes;
    private readonly Channel<Action> _asked;
    private readonly ManualResetEventSlim _wake = new();
    private readonly Lock _loadGate = new();
    private ReplicaLoad _load;
    private int _unreleased;
    private int _startOvers;
    private long _steps;
    private long _promptTokens;
    private long _generatedTokens;
    private readonly CancellationTokenSource _ending = new(); // restores that still run are in vain
    private volatile bool _stopping;
    private volatile PartLostException? _lost;

    /// <param name="backend">Computes; used by this loop alone, and disposed by its owner.</param>
    /// <param name="options">Sizes.</param>
    /// <param name="tokenBytes">Needed for stop texts.</param>
    public StepLoop(IBackend backend, EngineOptions options, TokenBytes? tokenBytes)
    {
        _backend = backend;
        _tokenBytes = tokenBytes;
        _places = new StatePlaces(backend.Slots, backend.Pages);
        _scheduler = new StepScheduler(options.MaxTokensPerStep, options.MaxPromptTokensBesideDecode);
        _batch = new StepBatch(options.MaxTokensPerStep, backend.Slots, Math.Min(backend.Slots, options.MaxTokensPerStep));
        _candidates = new Candidate[backend.Slots];
        _counts = new int[backend.Slots];
        _asked = Channel.CreateBounded<Action>(new BoundedChannelOptions((2 * options.MaxWaiting) + (8 * backend.Slots)) { SingleReader = true });
    }

    public ResidentStates Residents => _places.Residents;

    /// <summary>Any thread: why nothing is computed any more. Sequences that are there fail with it, and so do new ones; what they hold is released as ever.</summary>
    public PartLostException? Lost => _lost;

    /// <summary>Snapshots and restores that are under way.</summary>
    public StateUsers StateUsers { get; } = new();

    /// <summary>Any thread. A little behind while a step runs.</summary>
    public ReplicaLoad Load
    {
        get
        {
            lock (_loadGate)
            {
                return _load;
            }
        }
    }

    /// <summary>Any thread: looks at the sequences again.</summary>
    public void Wake() => _wake.Set();

    /// <summary>Any thread: runs an action between two steps. Waits while too many are queued. False: the loop has stopped.</summary>
    public bool Ask(Action action)
    {
        var spin = default(SpinWait);
        while (!_asked.Writer.TryWrite(action))
        {
            if (_stopping)
            {
                return false;
            }

            spin.SpinOnce();
        }

        Wake();
        return true;
    }

    /// <summary>Any thread: the same, with an answer.</summary>
    public Task<T> AskAsync<T>(Func<T> question, CancellationToken cancellationToken)
    {
        var answer = new TaskCompletionSource<T>(TaskCreationOptions.RunContinuationsAsynchronously);
        var asked = Ask(() =>
        {
            if (cancellationToken.IsCancellationRequested)
            {
                answer.TrySetCanceled(cancellationToken);
                return;
            }

            try
            {
                answer.TrySetResult(question());
            }
            catch (Exception failure) when (failure is InvalidOperationException or ArgumentException)
            {
                answer.TrySetException(failure);
            }
            catch (PartLostException lost)
            {
                answer.TrySetException(lost);
                Lose(lost);
            }
        });
        return asked ? answer.Task : Task.FromException<T>(Stopped());
    }

    /// <summary>The stepping thread's whole life.</summary>
    public void Run()
    {
        while (!_stopping)
        {
            _wake.Reset();
            if (!TurnOnce() && !_stopping)
            {
                _wake.Wait();
            }
        }

        End();
    }

    /// <summary>One turn of the loop. False: there was nothing to compute.</summary>
    public bool TurnOnce()
    {
        var computed = false;
        try
        {
            RunAsked();
            EndCancelled();
            Admit();
            computed = Step();
        }
        catch (PartLostException lost)
        {
            Lose(lost);
        }

        PublishLoad();
        return computed;
    }

    public void Stop()
    {
        _stopping = true;
        Wake();
    }

    public void Enqueue(Sequence sequence)
    {
        _unreleased++;
        if (_lost is { } lost)
        {
            sequence.MarkFailed(lost);
            return;
        }

        _waiting.AddLast(sequence);
    }

    /// <summary>Puts a shard in the place of another between two steps. A failure leaves the other in place.</summary>
    public async Task RouteAsync(ICpuShard from, ICpuShard to)
    {
        var failure = await AskAsync<PartLostException?>(
            () =>
            {
                try
                {
                    _backend.Route(from, to);
                    return null;
                }
                catch (PartLostException lost)
                {
                    return lost; // if a link is gone, the next step finds it; if only the new shard is, the old one still serves
                }
            },
            CancellationToken.None);
        if (failure is not null)
        {
            throw failure;
        }
    }

    public StateSnapshot Snapshot(Sequence sequence, int fromPage)
    {
        if (sequence.Place is not { } place || sequence.Phase is SequencePhase.Restoring)
        {
            throw new InvalidOperationException("The sequence has no state on the device now.");
        }

        if (_lost is { } lost)
        {
            throw lost;
        }

        while (sequence.Coming > 1)
        {
            Land(); // whether the second step has it at all is known when the first has landed
        }

        var snapshot = new BackendStateSnapshot(_backend, place, sequence.Computed, fromPage, EndSnapshot);
        _places.Hold(snapshot.Held);
        StateUsers.Enter();
        return snapshot;
    }

    /// <summary>Any thread.</summary>
    private void EndSnapshot(int[] held)
    {
        _ = Ask(() => _places.Release(held));
        StateUsers.Leave();
    }

    /// <returns>True.</returns>
    public bool Release(Sequence sequence, string? residentKey)
    {
        if (sequence.Phase is SequencePhase.Released)
        {
            return true;
        }

        if (sequence.Phase is SequencePhase.Restoring)
        {
            // The restore writes into the place: it is freed when the reader of the blobs comes back.
            sequence.ReleaseWhenRestored = true;
            sequence.CancelRestore();
            return true;
        }

        Land(sequence);
        if (sequence.Phase is not SequencePhase.Ended)
        {
            End(sequence, SequenceEnd.Cancelled);
        }

        sequence.Phase = SequencePhase.Released;
        _unreleased--;
        if (sequence.Place is { } place)
        {
            sequence.Place = null;
            if (residentKey is null || sequence.Computed == 0 || _lost is not null || !Residents.TryAdd(residentKey, place, sequence.Computed))
            {
                _places.Free(place);
            }
        }

        return true;
    }

    public bool ReleaseResident(string key)
    {
        if (!Residents.TryTake(key, out var resident))
        {
            return false;
        }

        _places.Free(resident.Place);
        return true;
    }

    /// <summary>Proves that nothing is lost: every slot and page belongs to a sequence, a resident or nobody.</summary>
    public void Audit() => _places.Audit(_unreleased);

    public void Dispose()
    {
        _wake.Dispose();
        _ending.Dispose();
    }

    private void EndCancelled()
    {
        for (var node = _waiting.First; node is not null;)
        {
            var next = node.Next;
            if (node.Value.IsCancelled)
            {
                _waiting.Remove(node);
                node.Value.MarkEnded(SequenceEnd.Cancelled);
            }

            node = next;
        }

        for (var i = _running.Count - 1; i >= 0; i--)
        {
            if (_running[i] is { IsCancelled: true, Phase: SequencePhase.Running, UnderWay: 0 } sequence)
            {
                End(sequence, SequenceEnd.Cancelled);
            }
            else if (_running[i] is { IsCancelled: true, Phase: SequencePhase.Restoring } restoring)
            {
                restoring.CancelRestore();
            }
        }
    }

    /// <summary>The states on the lost part are gone, and those on the others are of a step that never ended: nothing here can be trusted.</summary>
    private void Lose(PartLostException lost)
    {
        _lost ??= lost;
        foreach (var sequence in _waiting.Concat(_running).ToArray())
        {
            if (sequence.Phase is SequencePhase.Restoring)
            {
                sequence.CancelRestore(); // it fails when its reader comes back
                continue;
            }

            _waiting.Remove(sequence);
            _running.Remove(sequence);
            sequence.MarkFailed(lost);
        }

        _places.FreeResidents();
    }

    private void RunAsked()
    {
        while (_asked.Reader.TryRead(out var action))
        {
            try
            {
                action();
            }
            catch (PartLostException lost)
            {
                Lose(lost);
            }
        }
    }

    private void End(Sequence sequence, SequenceEnd end)
    {
        _running.Remove(sequence);
        _waiting.Remove(sequence);
        sequence.MarkEnded(end);
    }

    private void PublishLoad()
    {
        lock (_loadGate)
        {
            _load = new ReplicaLoad(
                _places.SlotsInUse, _places.PagesInUse, _running.Count, _waiting.Count, Residents.Count, _steps, _promptTokens, _generatedTokens)
            {
                ResidentPages = Residents.Pages,
                AllocatedBytes = GC.GetAllocatedBytesForCurrentThread(),
            };
        }
    }

    private void End()
    {
        _ending.Cancel();
        _asked.Writer.TryComplete();
        RunAsked();
        while (_underWay.TryDequeue(out _))
        {
            _backend.Land(); // its memory is freed next
        }

        foreach (var sequence in _waiting.Concat(_running).ToArray())
        {
            sequence.MarkFailed(Stopped());
        }
    }

    private static ObjectDisposedException Stopped() => new(nameof(IReplicaEngine), "The replica has stopped.");
}

/// <summary>The bytes that a token stands for.</summary>
internal delegate ReadOnlySpan<byte> TokenBytes(int token);
