using System.Diagnostics;
using System.Globalization;
using System.Runtime.CompilerServices;
using StackExchange.Redis;

namespace Loire.Store.Redis;

/// <summary>One sweep: marks what sessions reach, and deletes the rest once its time to live has passed.</summary>
/// <remarks>
/// <para>Kept are, as in a directory:</para>
/// <para>1. turns: the whole chain of every session's head and fork point, and of every turn younger than the time to live;</para>
/// <para>2. checkpoints: those of the newest turns of each session, of fork points and of open turns, and every one used within the time to live;</para>
/// <para>3. blobs and marks: those that a kept checkpoint lists, and every one written or shared within the time to live.</para>
/// <para>
/// Turns are deleted from the newest back. Each deletion is one script, which does nothing unless the lease is still this sweep's, the
/// server is the one that the marks were read from, nothing has been referred to since they were taken in, and nothing of the batch was used.
/// </para>
/// </remarks>
/// <param name="context">The store.</param>
/// <param name="lookedAt">Called when all of a kind have been looked at and none is deleted yet: where tests put a writer.</param>
internal sealed class RedisSweep(RedisContext context, Func<StoreCount, Task>? lookedAt)
{
    /// <summary>Keys deleted by one script: below a millisecond of the server's time.</summary>
    private const int DeleteBatch = 64;

    /// <summary>Things asked about at once.</summary>
    private const int LookBatch = 256;

    /// <summary>Turns of a chain read by one script.</summary>
    private const int WalkSteps = 128;

    /// <summary>Attempts to delete one batch between the notes of busy writers; then the next sweep has it.</summary>
    private const int MostAttempts = 500;

    private const long LeaseMilliseconds = 30_000;

    private static readonly TimeSpan RenewEvery = TimeSpan.FromSeconds(5);

    private readonly string _token = Guid.NewGuid().ToString("n");
    private readonly HashSet<Digest> _turns = [];
    private readonly HashSet<Digest> _checkpoints = [];
    private readonly HashSet<Digest> _blobs = [];
    private readonly HashSet<Digest> _marks = [];
    private readonly List<string> _damaged = [];
    private readonly long _expiry = context.Expiry;
    private readonly long _start = Stopwatch.GetTimestamp();
    private long _renewed = Stopwatch.GetTimestamp();
    private string _run = "";
    private int _sessions;
    private int _turnsDeleted;
    private int _checkpointsKept;
    private int _checkpointsDeleted;
    private int _blobsKept;
    private int _blobsDeleted;
    private long _freed;
    private bool _chainsKnown = true;
    private bool _manifestsRead;

    /// <returns>An empty report when another silo is sweeping.</returns>
    /// <exception cref="StoreException">What was deleted before was to be deleted; the next sweep goes on.</exception>
    public async Task<SweepReport> RunAsync(CancellationToken cancellationToken)
    {
        var begun = (await context.RunAsync("begin a sweep", RedisScript.SweepBegin, _token, LeaseMilliseconds)).Parts();
        if ((long)begun[0] == 0)
        {
            return Report();
        }

        _run = begun[1].Text();
        try
        {
            await MarkSessionsAsync(cancellationToken);
            await SweepTurnsAsync(cancellationToken);
            await SweepCheckpointsAsync(cancellationToken);
            await SweepBlobsAsync(cancellationToken);
            var marks = (await EntriesAsync(RedisKeys.Marks, cancellationToken)).Where(mark => mark.LastUse < _expiry).Select(mark => mark.Id);
            await DeleteAsync("", RedisKeys.Marks, marks, _marks, StoreCount.None, cancellationToken);
        }
        finally
        {
            context.Learn(await context.RunAsync("end a sweep", RedisScript.SweepEnd, _token));
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

    private async Task MarkSessionsAsync(CancellationToken cancellationToken)
    {
        foreach (var batch in (await EntriesAsync(RedisKeys.Sessions, cancellationToken)).Chunk(LookBatch))
        {
            await RenewAsync(cancellationToken);
            var answers = (await context.RunAsync(
                "read what sessions reach", RedisScript.SweepSessions, [.. batch.Select(session => (RedisValue)session.Id.ToString())])).Parts();
            for (var i = 0; i < batch.Length; i++)
            {
                await MarkSessionAsync(batch[i].Id, answers[i].Texts());
            }
        }
    }

    private async Task MarkSessionAsync(Digest session, string[] reached)
    {
        if (reached is [var head, var fork, var open])
        {
            _sessions++;
            await MarkChainAsync(head, context.Options.KeepCheckpoints, isReached: true);
            await MarkChainAsync(fork, keepCheckpoints: 1, isReached: false);
            if (Digest.TryParse(open, out var checkpoint))
            {
                _checkpoints.Add(checkpoint);
            }
        }
        else if (reached is [var found])
        {
            Damaged($"'{context.Keys.Session(session)}' is damaged: {found}.");
        }
    }

    /// <param name="turn">Where the chain starts; empty for none.</param>
    /// <param name="keepCheckpoints">How many of its newest turns keep their checkpoints.</param>
    /// <param name="isReached">A session needs it: a gap is damage.</param>
    private async Task MarkChainAsync(string turn, int keepCheckpoints, bool isReached)
    {
        var steps = 0;
        while (Digest.TryParse(turn, out var first) && (!_turns.Contains(first) || steps < keepCheckpoints))
        {
            await RenewAsync(CancellationToken.None);
            var walked = (await context.RunAsync("follow a chain of turns", RedisScript.SweepWalk, turn, WalkSteps)).Texts();
            turn = "";
            for (var i = 0; i < walked.Length; i += 3, steps++)
            {
                var id = Digest.Parse(walked[i]);
                if (_turns.Contains(id) && steps >= keepCheckpoints)
                {
                    return;
                }

                if (i + 1 == walked.Length)
                {
                    Gap(id, isReached);
                    return;
                }

                _turns.Add(id);
                if (steps < keepCheckpoints && Digest.TryParse(walked[i + 2], out var checkpoint))
                {
                    await KeepCheckpointAsync(checkpoint);
                }

                turn = walked[i + 1];
            }
        }
    }

    private void Gap(Digest id, bool isReached)
    {
        if (isReached)
        {
            Damaged($"'{context.Keys.Turn(id)}' is missing or cannot be read, though a session reaches it.");
        }
    }

    /// <summary>What cannot be read may lead to turns that nothing else leads to: no turn is deleted in this sweep.</summary>
    private void Damaged(string message)
    {
        _damaged.Add(message);
        _chainsKnown = false;
    }

    private async Task SweepTurnsAsync(CancellationToken cancellationToken)
    {
        var old = new List<Digest>();
        foreach (var turn in await EntriesAsync(RedisKeys.Turns, cancellationToken))
        {
            if (turn.LastUse >= _expiry)
            {
                await MarkChainAsync(turn.Id.ToString(), keepCheckpoints: 0, isReached: false);
            }
            else if (!_turns.Contains(turn.Id))
            {
                old.Add(turn.Id);
            }
        }

        if (_chainsKnown)
        {
            var deepestFirst = await SortByDepthAsync(old.Where(turn => !_turns.Contains(turn)), cancellationToken);
            _turnsDeleted = await DeleteAsync("t", RedisKeys.Turns, deepestFirst, _turns, StoreCount.Turns, cancellationToken);
        }
    }

    private async Task<List<Digest>> SortByDepthAsync(IEnumerable<Digest> turns, CancellationToken cancellationToken)
    {
        var depths = new List<(Digest Id, int Depth)>();
        await foreach (var (id, depth) in FieldsAsync("t", "d", turns, cancellationToken))
        {
            depths.Add((id, int.TryParse(depth, out var value) ? value : -1));
        }

        depths.Sort(static (a, b) => b.Depth.CompareTo(a.Depth));
        return depths.ConvertAll(static turn => turn.Id);
    }

    private async Task SweepCheckpointsAsync(CancellationToken cancellationToken)
    {
        var old = new List<Digest>();
        foreach (var checkpoint in await EntriesAsync(RedisKeys.Checkpoints, cancellationToken))
        {
            if (checkpoint.LastUse >= _expiry)
            {
                _checkpoints.Add(checkpoint.Id);
            }

            if (!_checkpoints.Contains(checkpoint.Id))
            {
                old.Add(checkpoint.Id);
            }
            else
            {
                _checkpointsKept++;
            }
        }

        Digest[] known = [.. _checkpoints];
        _manifestsRead = true; // From here on, what is noted is read at once.
        await ReadManifestsAsync(known, cancellationToken);
        _checkpointsDeleted = await DeleteAsync("m", RedisKeys.Checkpoints, old, _checkpoints, StoreCount.Checkpoints, cancellationToken);
        _checkpointsKept += old.Count - _checkpointsDeleted;
    }

    private async Task SweepBlobsAsync(CancellationToken cancellationToken)
    {
        var old = new List<Digest>();
        foreach (var blob in await EntriesAsync(RedisKeys.Blobs, cancellationToken))
        {
            if (blob.LastUse >= _expiry || _blobs.Contains(blob.Id))
            {
                _blobsKept++;
            }
            else
            {
                old.Add(blob.Id);
            }
        }

        _blobsDeleted = await DeleteAsync("b", RedisKeys.Blobs, old, _blobs, StoreCount.Blobs, cancellationToken);
        _blobsKept += old.Count - _blobsDeleted;
    }

    /// <summary>Deletes what is still not in <paramref name="kept"/> and still old.</summary>
    private async Task<int> DeleteAsync(
        string kind, string index, IEnumerable<Digest> old, HashSet<Digest> kept, StoreCount counted, CancellationToken cancellationToken)
    {
        var deleted = 0;
        var batches = old.Chunk(DeleteBatch).ToList();
        await (lookedAt?.Invoke(counted) ?? Task.CompletedTask);
        foreach (var batch in batches)
        {
            deleted += await DeleteBatchAsync(kind, index, batch, kept, cancellationToken);
        }

        return deleted;
    }

    private async Task<int> DeleteBatchAsync(
        string kind, string index, Digest[] batch, HashSet<Digest> kept, CancellationToken cancellationToken)
    {
        for (var attempt = 0; attempt < MostAttempts; attempt++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var rest = batch.Where(id => !kept.Contains(id)).ToList();
            if (rest.Count == 0)
            {
                return 0;
            }

            var answer = (await context.RunAsync(
                "delete what nothing reaches", RedisScript.SweepDelete,
                [_token, LeaseMilliseconds, _run, kind, index, _expiry, .. rest.Select(id => (RedisValue)id.ToString())])).Parts();
            if ((long)answer[0] == -1)
            {
                throw LeaseLost();
            }

            if ((long)answer[0] == -2)
            {
                await TakeNotesAsync(cancellationToken);
                continue;
            }

            context.Learn(answer[3]);
            if (answer[4].Texts() is not { Length: > 0 } used)
            {
                _freed += (long)answer[1];
                return (int)answer[2];
            }

            await KeepUsedAsync(kind, kept, used);
        }

        return 0;
    }

    /// <summary>Used since it was looked at: it stays, with all that it reaches.</summary>
    private async Task KeepUsedAsync(string kind, HashSet<Digest> kept, string[] used)
    {
        foreach (var id in used)
        {
            if (kind == "t")
            {
                await MarkChainAsync(id, keepCheckpoints: 0, isReached: false);
            }
            else if (kind == "m")
            {
                await KeepCheckpointAsync(Digest.Parse(id));
            }

            kept.Add(Digest.Parse(id));
        }
    }

    /// <summary>Keeps the lease through long looks; what is noted meanwhile is taken in a little at a time.</summary>
    private async Task RenewAsync(CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        if (Stopwatch.GetElapsedTime(_renewed) > RenewEvery)
        {
            await TakeNotesAsync(cancellationToken);
        }
    }

    private async Task TakeNotesAsync(CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        var answer = await context.RunAsync("take in what writers refer to", RedisScript.SweepNotes, _token, LeaseMilliseconds, _run);
        if (answer.IsNull)
        {
            throw LeaseLost();
        }

        _renewed = Stopwatch.GetTimestamp();
        foreach (var note in answer.Texts())
        {
            if (note[0] == 't')
            {
                await MarkChainAsync(note[1..], context.Options.KeepCheckpoints, isReached: false);
            }
            else if (Digest.TryParse(note[1..], out var checkpoint))
            {
                await KeepCheckpointAsync(checkpoint);
            }
        }
    }

    private async Task KeepCheckpointAsync(Digest address)
    {
        if (_checkpoints.Add(address) && _manifestsRead)
        {
            await ReadManifestsAsync([address], CancellationToken.None);
        }
    }

    /// <summary>Keeps what kept checkpoints list. One that cannot be read keeps nothing: it cannot be restored either.</summary>
    private async Task ReadManifestsAsync(IReadOnlyCollection<Digest> checkpoints, CancellationToken cancellationToken)
    {
        await foreach (var (_, mark) in FieldsAsync("m", "p", checkpoints, cancellationToken))
        {
            if (Digest.TryParse(mark, out var address))
            {
                _marks.Add(address);
            }
        }

        await foreach (var (id, addresses) in FieldsAsync("m", "b", checkpoints, cancellationToken))
        {
            for (var at = 0; at + 64 <= addresses?.Length; at += 64)
            {
                if (Digest.TryParse(addresses.Substring(at, 64), out var blob))
                {
                    _blobs.Add(blob);
                }
                else
                {
                    _damaged.Add($"'{context.Keys.Checkpoint(id)}' is damaged: its list of blobs at {at}.");
                }
            }
        }
    }

    private async IAsyncEnumerable<(Digest Id, string? Value)> FieldsAsync(
        string kind, string field, IEnumerable<Digest> ids, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        foreach (var batch in ids.Chunk(LookBatch))
        {
            await RenewAsync(cancellationToken);
            var values = (await context.RunAsync(
                "look through the store", RedisScript.SweepFields, [kind, field, .. batch.Select(id => (RedisValue)id.ToString())])).Parts();
            for (var i = 0; i < batch.Length; i++)
            {
                yield return (batch[i], (string?)values[i]);
            }
        }
    }

    /// <summary>All of an index. What is in it throughout is here; what is put or used meanwhile is noted.</summary>
    private async Task<List<Entry>> EntriesAsync(string index, CancellationToken cancellationToken)
    {
        var entries = new Dictionary<Digest, long>();
        var cursor = "0";
        do
        {
            await RenewAsync(cancellationToken);
            var answer = (await context.Control.AskAsync(
                $"look through {index}", database => database.ExecuteAsync("ZSCAN", context.Keys.Index(index), cursor, "COUNT", 1000))).Parts();
            cursor = answer[0].Text();
            var pairs = answer[1].Texts();
            for (var i = 0; i + 1 < pairs.Length; i += 2)
            {
                if (Digest.TryParse(pairs[i], out var id))
                {
                    entries[id] = (long)double.Parse(pairs[i + 1], CultureInfo.InvariantCulture);
                }
            }
        }
        while (cursor != "0");

        return [.. entries.Select(static entry => new Entry(entry.Key, entry.Value))];
    }

    private StoreUnavailableException LeaseLost() => new(
        $"The sweep in Redis at {context.Control.Address} stopped: its lease ended, or the server is another than when it began. The next one goes on.");

    private readonly record struct Entry(Digest Id, long LastUse);
}
