namespace Loire.Store;

/// <summary>Lets writers and a sweep work at once without one undoing the other.</summary>
/// <remarks>
/// Writers <see cref="Enter"/> together. The sweep looks without entering, and deletes in short batches alone. What writers refer to
/// while a sweep runs is noted, and the sweep takes it in before each batch: so it never deletes what was referred to after it looked.
/// </remarks>
internal sealed class SweepGate : IDisposable
{
    // Not disposed with the gate: a late writer gets ObjectDisposedException from Enter, and the lock owns nothing that the collector does not take.
    private readonly ReaderWriterLockSlim _lock = new();
    private readonly Lock _noting = new();
    private SweepNotes? _notes;
    private bool _closed;

    /// <exception cref="ObjectDisposedException">The store is closed.</exception>
    public Pass Enter()
    {
        _lock.EnterReadLock();
        return Admit(alone: false);
    }

    /// <summary>Starts to note what writers refer to. No writer that entered before is still under way when this returns.</summary>
    public void BeginNoting()
    {
        using (EnterAlone())
        {
            _notes = new SweepNotes();
        }
    }

    public void EndNoting()
    {
        _lock.EnterWriteLock();
        _notes = null;
        _lock.ExitWriteLock();
    }

    public Pass EnterAlone()
    {
        _lock.EnterWriteLock();
        return Admit(alone: true);
    }

    /// <summary>Waits for those inside and lets nobody in again.</summary>
    public void Dispose()
    {
        _lock.EnterWriteLock();
        _closed = true;
        _lock.ExitWriteLock();
    }

    /// <summary>By a writer that has entered: this is referred to from now on.</summary>
    public void Note(Digest? turn = null, Digest? checkpoint = null)
    {
        if (_notes is not { } notes)
        {
            return;
        }

        lock (_noting)
        {
            if (turn is { } t)
            {
                notes.Turns.Add(t);
            }

            if (checkpoint is { } c)
            {
                notes.Checkpoints.Add(c);
            }
        }
    }

    /// <summary>By the sweep, alone: what was noted since the last time.</summary>
    public SweepNotes TakeNotes()
    {
        var notes = _notes ?? new SweepNotes();
        _notes = new SweepNotes();
        return notes;
    }

    private Pass Admit(bool alone)
    {
        var pass = new Pass(_lock, alone);
        if (_closed)
        {
            pass.Dispose();
            throw new ObjectDisposedException(nameof(DirectoryStore), "The store is closed.");
        }

        return pass;
    }

    public readonly struct Pass(ReaderWriterLockSlim gate, bool alone) : IDisposable
    {
        public void Dispose()
        {
            if (alone)
            {
                gate.ExitWriteLock();
            }
            else
            {
                gate.ExitReadLock();
            }
        }
    }
}

/// <summary>What writers referred to during a sweep. As long as the writes of one sweep's batch.</summary>
internal sealed class SweepNotes
{
    public HashSet<Digest> Turns { get; } = [];

    public HashSet<Digest> Checkpoints { get; } = [];
}
