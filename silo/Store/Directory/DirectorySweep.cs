using System.Diagnostics;
using System.IO.Enumeration;

namespace Loire.Store;

/// <summary>One sweep: marks what sessions reach, and deletes the rest once its time to live has passed.</summary>
/// <remarks>
/// <para>Kept are:</para>
/// <para>1. turns: the whole chain of every session's head and fork point, and of every turn younger than the time to live;</para>
/// <para>2. checkpoints: those of the newest turns of each session, of fork points and of open turns, and every one used within the time to live;</para>
/// <para>3. blobs and marks: those that a kept checkpoint lists, and every one written or shared within the time to live.</para>
/// <para>Turns are deleted from the newest back, so that at every moment a stored turn has its whole chain.</para>
/// </remarks>
/// <param name="files">The store's files.</param>
/// <param name="sessions">Its sessions.</param>
/// <param name="lookedAt">Called when all of a kind have been looked at and none is deleted yet: where tests put a writer.</param>
internal sealed class DirectorySweep(StoreFiles files, SessionFiles sessions, Action<StoreCount>? lookedAt)
{
    /// <summary>Files deleted while writers wait: about a millisecond.</summary>
    private const int BatchFiles = 64;

    private readonly HashSet<Digest> _turns = [];
    private readonly HashSet<Digest> _checkpoints = [];
    private readonly HashSet<Digest> _blobs = [];
    private readonly HashSet<Digest> _marks = [];
    private readonly List<string> _damaged = [];
    private readonly DateTime _expiry = files.Expiry;
    private readonly long _start = Stopwatch.GetTimestamp();
    private readonly long _bytesBefore = files.Budget.Bytes;
    private int _sessions;
    private int _turnsDeleted;
    private int _checkpointsKept;
    private int _checkpointsDeleted;
    private int _blobsKept;
    private int _blobsDeleted;
    private long _freed;
    private bool _chainsKnown = true;
    private bool _manifestsRead;

    private StorePaths Paths => files.Paths;

    /// <exception cref="StoreUnavailableException">What was deleted before was to be deleted; the next sweep goes on.</exception>
    public SweepReport Run(CancellationToken cancellationToken)
    {
        files.Gate.BeginNoting();
        try
        {
            MarkSessions(cancellationToken);
            SweepTurns(cancellationToken);
            SweepCheckpoints(cancellationToken);
            SweepBlobs(cancellationToken);
            DeleteBatches(Entries(Paths.Prefixes).Where(mark => mark.LastUse < _expiry).ToList(), _marks, StoreCount.None, cancellationToken);
            DeleteOldQuarantine(cancellationToken);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw StoreFiles.Explain(failure, "sweep", Paths.Root);
        }
        finally
        {
            files.Gate.EndNoting();
        }

        return Report();
    }

    private SweepReport Report() => new()
    {
        Sessions = _sessions,
        TurnsKept = _turns.Count,
        TurnsDeleted = _turnsDeleted,
        CheckpointsKept = _checkpointsKept,
        CheckpointsDeleted = _checkpointsDeleted,
        BlobsKept = _blobsKept,
        BlobsDeleted = _blobsDeleted,
        BytesFreed = _freed,
        Damaged = _damaged,
        Elapsed = Stopwatch.GetElapsedTime(_start),
    };

    private void MarkSessions(CancellationToken cancellationToken)
    {
        foreach (var path in sessions.AllPaths())
        {
            cancellationToken.ThrowIfCancellationRequested();
            try
            {
                if (sessions.Load(path, owner: null, id: null) is { } session)
                {
                    _sessions++;
                    MarkChain(session.Head, files.Options.KeepCheckpoints, isReached: true);
                    MarkChain(session.ForkedFrom?.Turn, keepCheckpoints: 1, isReached: false);
                    if (session.Open?.Checkpoint is { } open)
                    {
                        _checkpoints.Add(open);
                    }
                }
            }
            catch (DamagedRecordException damaged)
            {
                Damaged(damaged);
            }
        }
    }

    /// <param name="turn">Where the chain starts.</param>
    /// <param name="keepCheckpoints">How many of its newest turns keep their checkpoints.</param>
    /// <param name="isReached">A session needs it: a gap is damage.</param>
    private void MarkChain(Digest? turn, int keepCheckpoints, bool isReached)
    {
        for (var steps = 0; turn is { } id; steps++)
        {
            if (!_turns.Contains(id) || steps < keepCheckpoints)
            {
                if (TryLoad(id, isReached) is not { } record)
                {
                    return;
                }

                _turns.Add(id);
                if (steps < keepCheckpoints && record.Checkpoint is { } checkpoint)
                {
                    KeepCheckpoint(checkpoint);
                }

                turn = record.Parent;
                continue;
            }

            return;
        }
    }

    private TurnRecord? TryLoad(Digest id, bool isReached)
    {
        try
        {
            if (TurnFiles.Load(Paths.Turn(id), id) is { } record)
            {
                return record;
            }

            if (isReached)
            {
                throw new DamagedRecordException(Paths.Turn(id), "file", "missing, though a session reaches it");
            }
        }
        catch (DamagedRecordException damaged)
        {
            Damaged(damaged);
        }

        return null;
    }

    /// <summary>What cannot be read may lead to turns that nothing else leads to: no turn is deleted in this sweep.</summary>
    private void Damaged(DamagedRecordException damaged)
    {
        _damaged.Add(damaged.Message);
        _chainsKnown = false;
    }

    private void SweepTurns(CancellationToken cancellationToken)
    {
        var old = new List<(Entry Turn, int Depth)>();
        foreach (var turn in Entries(Paths.Turns))
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (turn.LastUse >= _expiry)
            {
                MarkChain(turn.Address, keepCheckpoints: 0, isReached: false);
            }
            else if (!_turns.Contains(turn.Address))
            {
                old.Add((turn, DepthOf(turn)));
            }
        }

        if (_chainsKnown)
        {
            old.Sort(static (a, b) => b.Depth.CompareTo(a.Depth));
            _turnsDeleted = DeleteBatches(old.Select(static turn => turn.Turn), _turns, StoreCount.Turns, cancellationToken);
        }
    }

    /// <returns>Below all others for one that cannot be read: it is not reached, and goes after whatever may be built on it.</returns>
    private int DepthOf(Entry turn)
    {
        try
        {
            return TurnFiles.Load(turn.Path, turn.Address)?.Depth ?? -1;
        }
        catch (DamagedRecordException damaged)
        {
            _damaged.Add(damaged.Message);
            return -1;
        }
    }

    private void SweepCheckpoints(CancellationToken cancellationToken)
    {
        var old = new List<Entry>();
        foreach (var checkpoint in Entries(Paths.Checkpoints))
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (checkpoint.LastUse >= _expiry)
            {
                _checkpoints.Add(checkpoint.Address);
            }

            if (_checkpoints.Contains(checkpoint.Address))
            {
                ReadManifest(checkpoint.Address);
                _checkpointsKept++;
            }
            else
            {
                old.Add(checkpoint);
            }
        }

        // From here on, what is noted is read at once.
        _manifestsRead = true;
        _checkpointsDeleted = DeleteBatches(old, _checkpoints, StoreCount.Checkpoints, cancellationToken);
        _checkpointsKept += old.Count - _checkpointsDeleted;
    }

    private void SweepBlobs(CancellationToken cancellationToken)
    {
        var old = new List<Entry>();
        foreach (var blob in Entries(Paths.Blobs))
        {
            if (blob.LastUse >= _expiry || _blobs.Contains(blob.Address))
            {
                _blobsKept++;
            }
            else
            {
                old.Add(blob);
            }
        }

        _blobsDeleted = DeleteBatches(old, _blobs, StoreCount.Blobs, cancellationToken);
        _blobsKept += old.Count - _blobsDeleted;
    }

    /// <summary>Deletes what is still not in <paramref name="kept"/> and still old, when nobody else is writing.</summary>
    private int DeleteBatches(IEnumerable<Entry> old, HashSet<Digest> kept, StoreCount counted, CancellationToken cancellationToken)
    {
        var deleted = 0;
        lookedAt?.Invoke(counted);
        foreach (var batch in old.Chunk(BatchFiles))
        {
            cancellationToken.ThrowIfCancellationRequested();
            using var pass = files.Gate.EnterAlone();
            TakeNotes();
            foreach (var entry in batch)
            {
                if (IsStillOld(entry, kept, counted) && files.Delete(entry.Path, counted))
                {
                    _freed += entry.Length;
                    deleted++;
                }
            }
        }

        return deleted;
    }

    private bool IsStillOld(Entry entry, HashSet<Digest> kept, StoreCount counted)
    {
        if (!kept.Contains(entry.Address) && File.GetLastWriteTimeUtc(entry.Path) < _expiry)
        {
            return true;
        }

        if (counted == StoreCount.Turns)
        {
            // Touched since: its chain stays with it.
            MarkChain(entry.Address, keepCheckpoints: 0, isReached: false);
        }
        else if (counted == StoreCount.Checkpoints)
        {
            KeepCheckpoint(entry.Address);
            ReadManifest(entry.Address);
        }

        return false;
    }

    private void TakeNotes()
    {
        var notes = files.Gate.TakeNotes();
        foreach (var turn in notes.Turns)
        {
            MarkChain(turn, files.Options.KeepCheckpoints, isReached: false);
        }

        foreach (var checkpoint in notes.Checkpoints)
        {
            KeepCheckpoint(checkpoint);
        }
    }

    private void KeepCheckpoint(Digest address)
    {
        if (_checkpoints.Add(address) && _manifestsRead)
        {
            ReadManifest(address);
        }
    }

    /// <summary>Keeps what a kept checkpoint lists. One that cannot be read keeps nothing: it cannot be restored either.</summary>
    private void ReadManifest(Digest address)
    {
        try
        {
            if (CheckpointFiles.Load(Paths.Checkpoint(address), address) is { } manifest)
            {
                _marks.Add(manifest.LastPageEnd);
                foreach (var blob in manifest.Blobs)
                {
                    _blobs.Add(blob.Address);
                }
            }
        }
        catch (DamagedRecordException damaged)
        {
            _damaged.Add(damaged.Message);
        }
    }

    private void DeleteOldQuarantine(CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        foreach (var entry in new DirectoryInfo(Paths.Quarantine).EnumerateFiles().Where(entry => entry.LastWriteTimeUtc < _expiry))
        {
            files.Delete(entry.FullName, StoreCount.None);
        }
    }

    /// <summary>Files that are named by a digest. Others are not the store's, and stay.</summary>
    private static FileSystemEnumerable<Entry> Entries(string folder) => new(
        folder,
        static (ref FileSystemEntry entry) =>
        {
            StorePaths.TryAddress(entry.FileName, out var address);
            return new Entry(address, entry.ToFullPath(), entry.LastWriteTimeUtc.UtcDateTime, entry.Length);
        },
        new EnumerationOptions { RecurseSubdirectories = true, AttributesToSkip = 0 })
    {
        ShouldIncludePredicate = static (ref FileSystemEntry entry) => !entry.IsDirectory && StorePaths.TryAddress(entry.FileName, out _),
    };

    private readonly record struct Entry(Digest Address, string Path, DateTime LastUse, long Length);
}
