using System.Globalization;
using System.Runtime.CompilerServices;
using Microsoft.Extensions.Logging;
using StackExchange.Redis;

namespace Loire.Store.Redis;

/// <summary>Session references in Redis: the only values whose content changes, each by one script that compares and swaps.</summary>
internal sealed partial class RedisSessions(RedisContext context, ReplicaWait replicas)
{
    /// <summary>References read at once while listing.</summary>
    private const int ListBatch = 64;

    /// <summary>How long the answer to a deletion is remembered, in times that one command may take: who asks again since it was lost does so within one.</summary>
    private const int DeletionTimeouts = 4;

    private static readonly RedisValue[] Fields = ["e", "r"];

    public Task<SessionReference?> GetAsync(StateOwner owner, string id) => LoadAsync(RedisKeys.SessionOf(owner, id), owner, id);

    public async Task<bool> TrySwapAsync(SessionReference next, long expectedEpoch)
    {
        if (next.Fault() is { } fault)
        {
            throw new ArgumentException($"Session '{next.Id}' cannot be stored: {fault}.");
        }

        if (next.Epoch <= expectedEpoch)
        {
            throw new ArgumentException($"Session '{next.Id}' cannot move from epoch {expectedEpoch} to {next.Epoch}: an epoch only grows.");
        }

        var record = RedisRecords.Pack(RecordFormats.Sessions, StoreJson.Serialize(next), $"Session '{next.Id}'");
        var session = RedisKeys.SessionOf(next.Owner, next.Id);
        var answer = (await ForeignIsDamageAsync(session, () => replicas.RunAsync(
            $"move session '{next.Id}' to epoch {next.Epoch}", RedisScript.SessionSwap,
            session.ToString(), RedisKeys.OwnerOf(next.Owner).ToString(), Text(expectedEpoch), Text(next.Epoch), record, NewSwap(),
            next.Head.Or(), ((Digest?)next.ForkedFrom?.Turn).Or(), (next.Open?.Checkpoint).Or(), next.UpdatedAt.ToUnixTimeMilliseconds()))).Parts();
        context.Learn(answer[2]);
        return (long)answer[0] switch
        {
            1 => true,
            -1 => throw new MissingStateException($"Turn {next.Head}, the head of session '{next.Id}', is not stored.", next.Head.GetValueOrDefault()),
            var status => Refuse(status, (string?)answer[1], session, next.Id, expectedEpoch),
        };
    }

    public async Task<bool> DeleteAsync(StateOwner owner, string id, long expectedEpoch)
    {
        var session = RedisKeys.SessionOf(owner, id);
        var answer = (await ForeignIsDamageAsync(session, () => replicas.RunAsync(
            $"delete session '{id}'", RedisScript.SessionDelete,
            session.ToString(), RedisKeys.OwnerOf(owner).ToString(), Text(expectedEpoch), NewSwap(),
            (long)(context.Options.OperationTimeout * DeletionTimeouts).TotalMilliseconds))).Parts();
        context.Learn(answer[2]);
        return (long)answer[0] == 1 || Refuse((long)answer[0], (string?)answer[1], session, id, expectedEpoch);
    }

    /// <summary>Newest first. The names are those at the call; each reference is read when it is its turn.</summary>
    public async IAsyncEnumerable<SessionReference> ListAsync(StateOwner owner, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        var names = await context.Control.AskAsync(
            "list sessions", database => database.SortedSetRangeByRankAsync(context.Keys.SessionsOf(owner), order: Order.Descending));
        foreach (var batch in names.Chunk(ListBatch))
        {
            cancellationToken.ThrowIfCancellationRequested();
            var read = await Task.WhenAll(batch.Select(name => TryLoadAsync(Digest.Parse((string)name!), owner)));
            foreach (var session in read.OfType<SessionReference>())
            {
                yield return session;
            }
        }
    }

    private async Task<SessionReference?> TryLoadAsync(Digest session, StateOwner owner)
    {
        try
        {
            return await LoadAsync(session, owner, id: null);
        }
        catch (DamagedRecordException damaged)
        {
            LogSkipped(context.Logger, damaged.Path, damaged);
            return null;
        }
    }

    private async Task<SessionReference?> LoadAsync(Digest session, StateOwner owner, string? id)
    {
        var path = context.Keys.Session(session);
        var values = await ForeignIsDamageAsync(
            session, () => context.Control.AskAsync($"read session {session}", database => database.HashGetAsync(path, Fields)));
        try
        {
            if (values is [{ IsNull: true }, { IsNull: true }])
            {
                return null;
            }

            var found = RedisRecords.TryUnpack(RecordFormats.Sessions, values[1], path, out _)
                ?? throw new DamagedRecordException(path, "r", "missing, though the session has an epoch");
            return found.Owner != owner || (id ?? found.Id) != found.Id || RedisKeys.SessionOf(found.Owner, found.Id) != session
                ? throw new DamagedRecordException(path, "id", $"it is session '{found.Id}' of another name or owner")
                : (string?)values[0] != Text(found.Epoch)
                ? throw new DamagedRecordException(path, "e", $"epoch '{values[0]}'; the record says {found.Epoch}")
                : found;
        }
        catch (DamagedRecordException)
        {
            context.Counters.Add(StoreCount.Damaged);
            throw;
        }
    }

    private bool Refuse(long status, string? epoch, Digest session, string id, long expectedEpoch)
    {
        if (status != 0 || !long.TryParse(epoch, NumberStyles.None, CultureInfo.InvariantCulture, out var found))
        {
            context.Counters.Add(StoreCount.Damaged);
            throw new DamagedRecordException(context.Keys.Session(session), "e", $"epoch '{epoch}' is no number");
        }

        context.Counters.Add(StoreCount.StaleCommits);
        LogStale(context.Logger, id, expectedEpoch, found);
        return false;
    }

    private async Task<T> ForeignIsDamageAsync<T>(Digest session, Func<Task<T>> act)
    {
        try
        {
            return await act();
        }
        catch (RedisServerException failure)
        {
            context.Counters.Add(StoreCount.Damaged);
            throw RedisRecords.Foreign(context.Keys.Session(session), failure);
        }
    }

    /// <summary>Names one swap, so that asking for it twice moves the session once and is answered twice.</summary>
    private static string NewSwap() => Guid.NewGuid().ToString("n");

    private static string Text(long epoch) => epoch.ToString(CultureInfo.InvariantCulture);

    [LoggerMessage(Level = LogLevel.Warning, Message =
        "Session '{Session}' was not moved: epoch {Expected} was expected, {Found} is stored. Another owner has it.")]
    private static partial void LogStale(ILogger logger, string session, long expected, long found);

    [LoggerMessage(Level = LogLevel.Error, Message = "Session reference '{Path}' is left out of the list.")]
    private static partial void LogSkipped(ILogger logger, string path, Exception damaged);
}
