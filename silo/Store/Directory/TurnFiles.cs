namespace Loire.Store;

/// <summary>Turns on disk. What always holds: with a turn, its whole chain is stored.</summary>
internal sealed class TurnFiles(StoreFiles files)
{
    public void Put(TurnRecord turn)
    {
        var body = StoreJson.Serialize(turn);
        if (turn.Fault() is { } fault)
        {
            throw new ArgumentException($"Turn '{turn.TurnId}' cannot be recorded: {fault}.");
        }

        if (Digest.Of(body) != turn.Id)
        {
            throw new ArgumentException($"Turn '{turn.TurnId}' is not sealed: its id is {turn.Id}. Call {nameof(TurnRecord.Seal)} first.");
        }

        using var pass = files.Gate.Enter();
        if (turn.Parent is { } parent)
        {
            Require(parent, $"the parent of turn '{turn.TurnId}'");
        }

        files.Gate.Note(turn.Id, turn.Checkpoint);

        // Written even when it is there: the one that put it there may not have lived to see it on disk.
        files.Write(files.Paths.Turn(turn.Id), RecordFormats.Turns.Head(body), body, StoreCount.Turns, files.Options.SyncRecords);
    }

    /// <exception cref="DamagedRecordException">It stays where it is: nothing can be computed to replace it.</exception>
    public TurnRecord? Get(Digest id)
    {
        var path = files.Paths.Turn(id);
        try
        {
            return Load(path, id);
        }
        catch (DamagedRecordException)
        {
            files.Counters.Add(StoreCount.Damaged);
            throw;
        }
    }

    public static TurnRecord? Load(string path, Digest id)
    {
        var turn = RecordFormats.Turns.TryRead(path, out var body);
        if (turn is null)
        {
            return null;
        }

        return Digest.Of(body) is var found && found == id
            ? turn with { Id = id }
            : throw new DamagedRecordException(path, "id", $"the record's digest is {found}, expected {id}");
    }

    /// <summary>By a caller that has entered the gate.</summary>
    public void Require(Digest id, string role)
    {
        if (!File.Exists(files.Paths.Turn(id)))
        {
            throw new MissingStateException($"Turn {id}, {role}, is not stored.", id);
        }
    }
}
