using StackExchange.Redis;

namespace Loire.Store.Redis;

/// <summary>Runs a script whose effect has to outlive the primary: acknowledged when enough replicas have it.</summary>
internal sealed class ReplicaWait(RedisContext context)
{
    /// <exception cref="StoreUnavailableException">The primary has it, too few replicas do. Asked again, it succeeds once they follow.</exception>
    public async Task<RedisResult> RunAsync(string tried, RedisScript script, params RedisValue[] values)
    {
        var answer = await context.RunAsync(tried, script, values);
        if (context.Options.Replicas == 0)
        {
            return answer;
        }

        // On the same connection: the wait is for what that connection has written.
        var milliseconds = (int)(context.Options.OperationTimeout.TotalMilliseconds / 2);
        var reached = (int)await context.Control.AskAsync(
            tried, database => database.ExecuteAsync("WAIT", context.Options.Replicas, milliseconds));
        return reached >= context.Options.Replicas
            ? answer
            : throw new StoreUnavailableException(
                $"Redis at {context.Control.Address} did {tried}, but {reached} of {context.Options.Replicas} replicas had it after {milliseconds} ms. "
                + "It stands unless the primary is lost now. Start the replicas, or ask for fewer.");
    }
}
