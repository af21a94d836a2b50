using System.Diagnostics;
using System.Globalization;
using Microsoft.Extensions.Logging;

namespace Loire.Store.Redis;

/// <summary>Looks at the server: at the start, whether it keeps what it is given; later, how it is.</summary>
internal sealed partial class RedisProbe(RedisContext context)
{
    /// <summary>The first with <c>ZADD GT</c>.</summary>
    private static readonly Version Oldest = new(6, 2);

    private static readonly TimeSpan HealthTimeout = TimeSpan.FromSeconds(1);

    public async Task CheckAsync()
    {
        var address = context.Control.Address;
        var facts = await ReadInfoAsync("look at the server");
        if (Version.TryParse(facts.GetValueOrDefault("redis_version"), out var version) && version < Oldest)
        {
            throw new StoreUnavailableException($"Redis at {address} is version {version}; the store needs {Oldest} or later.");
        }

        if (facts.GetValueOrDefault("maxmemory_policy") is { } policy and not "noeviction")
        {
            if (facts.GetValueOrDefault("maxmemory") is not "0" && !context.Options.AllowEviction)
            {
                throw new StoreUnavailableException(
                    $"Redis at {address} may evict what it holds: maxmemory-policy is {policy}. Turns and sessions would vanish. "
                    + "Set it to noeviction, or allow it by AllowEviction.");
            }

            LogEviction(context.Logger, address, policy);
        }

        if (facts.GetValueOrDefault("aof_enabled") == "0")
        {
            LogNotDurable(context.Logger, address);
        }
    }

    public async Task<RedisHealth> GetHealthAsync(CancellationToken cancellationToken)
    {
        var start = Stopwatch.GetTimestamp();
        var (address, reconnects) = (context.Control.Address, context.Control.Reconnects + context.Bulk.Reconnects);
        try
        {
            var asked = ReadInfoAsync("look at the server");
            var facts = await asked.WaitAsync(HealthTimeout, cancellationToken);
            return new RedisHealth
            {
                Address = address,
                IsReachable = true,
                Latency = Stopwatch.GetElapsedTime(start),
                UsedMemoryBytes = Number(facts, "used_memory"),
                MaxMemoryBytes = Number(facts, "maxmemory") is > 0 and var most ? most : null,
                ConnectedReplicas = (int?)Number(facts, "connected_slaves"),
                Reconnects = reconnects,
            };
        }
        catch (Exception failure) when (failure is StoreException or TimeoutException)
        {
            return new RedisHealth
            {
                Address = address,
                IsReachable = false,
                Latency = Stopwatch.GetElapsedTime(start),
                Reconnects = reconnects,
                Failure = failure is StoreException ? failure.Message : $"Redis at {address} did not answer within {HealthTimeout.TotalSeconds:F0} s.",
            };
        }
    }

    private async Task<Dictionary<string, string>> ReadInfoAsync(string tried)
    {
        var text = (await context.Control.AskAsync(tried, database => database.ExecuteAsync("INFO"))).Text();
        var facts = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var line in text.Split('\n', StringSplitOptions.TrimEntries))
        {
            if (line.Split(':', 2) is [var name, var value])
            {
                facts[name] = value;
            }
        }

        return facts;
    }

    private static long? Number(Dictionary<string, string> facts, string name) =>
        long.TryParse(facts.GetValueOrDefault(name), NumberStyles.None, CultureInfo.InvariantCulture, out var value) ? value : null;

    [LoggerMessage(Level = LogLevel.Warning, Message =
        "Redis at {Address} has maxmemory-policy {Policy}: once its memory is bounded and full, turns and sessions vanish. Set it to noeviction.")]
    private static partial void LogEviction(ILogger logger, string address, string policy);

    [LoggerMessage(Level = LogLevel.Warning, Message =
        "Redis at {Address} writes no append-only file: acknowledged turns are lost when it stops. Set appendonly yes, and appendfsync always where a power cut must lose nothing.")]
    private static partial void LogNotDurable(ILogger logger, string address);
}
