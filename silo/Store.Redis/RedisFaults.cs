using System.Net.Sockets;
using StackExchange.Redis;

namespace Loire.Store.Redis;

/// <summary>What a failure means: to be tried again on another connection, or to be told to the caller, and as what.</summary>
internal static class RedisFaults
{
    private static readonly string[] Passing = ["LOADING", "READONLY", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "BUSY", "UNBLOCKED"];

    /// <summary>The script is not known there (any more): load it and ask again.</summary>
    public static bool IsUnknownScript(Exception failure) => failure is RedisServerException && failure.Message.Contains("NOSCRIPT", StringComparison.Ordinal);

    /// <summary>The key holds something of another type than what this store puts there.</summary>
    public static bool IsForeign(Exception failure) => failure is RedisServerException && failure.Message.Contains("WRONGTYPE", StringComparison.Ordinal);

    /// <summary>The connection is of no more use, or the server will be ready later.</summary>
    public static bool IsPassing(Exception failure) => failure switch
    {
        RedisServerException => Passing.Any(word => failure.Message.Contains(word + " ", StringComparison.Ordinal)),
        RedisConnectionException or RedisTimeoutException or ObjectDisposedException or SocketException or IOException or OperationCanceledException => true,
        _ => false,
    };

    /// <summary>No room: nothing was written.</summary>
    public static bool IsFull(Exception failure) => failure is RedisServerException
        && (failure.Message.Contains("OOM ", StringComparison.Ordinal) || failure.Message.Contains("No space left", StringComparison.Ordinal));

    public static StoreFullException Full(string tried, string address, Exception failure) => new(
        $"Redis at {address} is full: could not {tried}. Delete sessions, shorten the time to live, or raise maxmemory. It answered: {failure.Message}", failure);

    public static StoreSlowException Slow(string tried, string address, TimeSpan waited, Exception? failure = null) => new(
        $"Redis at {address} did not answer within {waited.TotalMilliseconds:F0} ms when asked to {tried}. It may be done yet. "
        + "Look at the server's load, at slow commands and at the network, or raise OperationTimeout.", failure);

    public static StoreUnavailableException Unavailable(string tried, string address, TimeSpan waited, Exception? failure) => new(
        $"Redis at {address} cannot be reached: could not {tried} within {waited.TotalMilliseconds:F0} ms. "
        + $"Start it, or correct the connection string. Last seen: {failure?.Message ?? "no connection yet"}", failure);

    public static StoreUnavailableException Refused(string tried, string address, Exception failure) => new(
        $"Redis at {address} refused to {tried}: {failure.Message}", failure);
}
