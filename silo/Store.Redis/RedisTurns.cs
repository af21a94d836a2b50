using StackExchange.Redis;

namespace Loire.Store.Redis;

/// <summary>Turns in Redis. What always holds: with a turn, its whole chain is stored.</summary>
internal sealed class RedisTurns(RedisContext context, ReplicaWait replicas)
{
    public async Task PutAsync(TurnRecord turn)
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

        var record = RedisRecords.Pack(RecordFormats.Turns, body, $"Turn '{turn.TurnId}'");
        var tried = $"record turn {turn.Id}";
        var answer = (await replicas.RunAsync(
            tried, RedisScript.TurnPut, turn.Id.ToString(), record, turn.Parent.Or(), turn.Depth, turn.Checkpoint.Or(), context.Now)).Parts();
        context.Learn(answer[1]);
        if ((long)answer[0] == 0)
        {
            throw new MissingStateException($"Turn {turn.Parent}, the parent of turn '{turn.TurnId}', is not stored.", turn.Parent.GetValueOrDefault());
        }
    }

    /// <exception cref="DamagedRecordException">It stays where it is: nothing can be computed to replace it.</exception>
    public async Task<TurnRecord?> GetAsync(Digest id)
    {
        var path = context.Keys.Turn(id);
        try
        {
            byte[]? bytes = await context.Control.AskAsync($"read turn {id}", database => database.HashGetAsync(path, "r"));
            var turn = RedisRecords.TryUnpack(RecordFormats.Turns, bytes, path, out var body);
            return turn is null ? null
                : Digest.Of(body) is var found && found == id ? turn with { Id = id }
                : throw new DamagedRecordException(path, "id", $"the record's digest is {found}, expected {id}");
        }
        catch (DamagedRecordException)
        {
            context.Counters.Add(StoreCount.Damaged);
            throw;
        }
        catch (RedisServerException failure)
        {
            context.Counters.Add(StoreCount.Damaged);
            throw RedisRecords.Foreign(path, failure);
        }
    }
}
