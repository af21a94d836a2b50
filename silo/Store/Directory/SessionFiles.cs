using Microsoft.Extensions.Logging;

namespace Loire.Store;

/// <summary>Session references on disk: the only files whose content changes, each by compare-and-swap.</summary>
internal sealed partial class SessionFiles(StoreFiles files, TurnFiles turns)
{
    private const int ShardCount = 64;

    private readonly Lock[] _shards = [.. Enumerable.Range(0, ShardCount).Select(_ => new Lock())];

    public SessionReference? Get(StateOwner owner, string id) => Load(files.Paths.Session(owner, id), owner, id);

    public bool TrySwap(SessionReference next, long expectedEpoch)
    {
        if (next.Fault() is { } fault)
        {
            throw new ArgumentException($"Session '{next.Id}' cannot be stored: {fault}.");
        }

        if (next.Epoch <= expectedEpoch)
        {
            throw new ArgumentException($"Session '{next.Id}' cannot move from epoch {expectedEpoch} to {next.Epoch}: an epoch only grows.");
        }

        var body = StoreJson.Serialize(next);
        var path = files.Paths.Session(next.Owner, next.Id);
        lock (ShardOf(path))
        {
            using var pass = files.Gate.Enter();
            if (!IsAt(path, next.Owner, next.Id, expectedEpoch))
            {
                return false;
            }

            NoteAndRequire(next);
            files.Write(path, RecordFormats.Sessions.Head(body), body, StoreCount.Sessions, files.Options.SyncRecords);
            return true;
        }
    }

    public bool Delete(StateOwner owner, string id, long expectedEpoch)
    {
        var path = files.Paths.Session(owner, id);
        lock (ShardOf(path))
        {
            using var pass = files.Gate.Enter();
            if (!IsAt(path, owner, id, expectedEpoch) || !files.Delete(path, StoreCount.Sessions))
            {
                return false;
            }

            if (files.Options.SyncRecords)
            {
                files.SyncDirectoryOf(path);
            }

            return true;
        }
    }

    public string[] PathsOf(StateOwner owner) => Enumerate(files.Paths.SessionsOf(owner));

    public string[] AllPaths() => Enumerate(files.Paths.Sessions);

    /// <returns>Null when it is not there, or is damaged, which is reported.</returns>
    public SessionReference? TryLoad(string path, StateOwner? owner)
    {
        try
        {
            return Load(path, owner, id: null);
        }
        catch (DamagedRecordException damaged)
        {
            LogSkipped(files.Logger, path, damaged);
            return null;
        }
    }

    public SessionReference? Load(string path, StateOwner? owner, string? id)
    {
        try
        {
            var session = RecordFormats.Sessions.TryRead(path, out _);
            if (session is not null && ((owner ?? session.Owner) != session.Owner || (id ?? session.Id) != session.Id
                || files.Paths.Session(session.Owner, session.Id) != path))
            {
                throw new DamagedRecordException(path, "id", $"it is session '{session.Id}' of another name or owner");
            }

            return session;
        }
        catch (DamagedRecordException)
        {
            files.Counters.Add(StoreCount.Damaged);
            throw;
        }
    }

    private bool IsAt(string path, StateOwner owner, string id, long expectedEpoch)
    {
        var epoch = Load(path, owner, id)?.Epoch ?? 0;
        if (epoch == expectedEpoch)
        {
            return true;
        }

        files.Counters.Add(StoreCount.StaleCommits);
        LogStale(files.Logger, id, expectedEpoch, epoch);
        return false;
    }

    private void NoteAndRequire(SessionReference next)
    {
        if (next.Head is { } head)
        {
            turns.Require(head, $"the head of session '{next.Id}'");
            files.Gate.Note(turn: head);
        }

        if (next.ForkedFrom is { } fork)
        {
            files.Gate.Note(turn: fork.Turn);
        }

        files.Gate.Note(checkpoint: next.Open?.Checkpoint);
    }

    private Lock ShardOf(string path) => _shards[(uint)string.GetHashCode(path, StringComparison.Ordinal) % ShardCount];

    private static string[] Enumerate(string folder)
    {
        try
        {
            return Directory.Exists(folder) ? Directory.GetFiles(folder, "*.json", SearchOption.AllDirectories) : [];
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw StoreFiles.Explain(failure, "list", folder);
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message =
        "Session '{Session}' was not moved: epoch {Expected} was expected, {Found} is stored. Another owner has it.")]
    private static partial void LogStale(ILogger logger, string session, long expected, long found);

    [LoggerMessage(Level = LogLevel.Error, Message = "Session reference '{Path}' is left out of the list.")]
    private static partial void LogSkipped(ILogger logger, string path, Exception damaged);
}
