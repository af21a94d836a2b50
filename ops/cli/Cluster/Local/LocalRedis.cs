using StackExchange.Redis;

namespace Loire.Cli.Cluster;

/// <summary>A connection to a local cluster's Redis, for doing to it what happens to one.</summary>
internal sealed class LocalRedis(ConnectionMultiplexer connection) : IDisposable
{
    public static async Task<LocalRedis> ConnectAsync(LocalCluster cluster) =>
        new(await ConnectionMultiplexer.ConnectAsync($"{cluster.Settings.Redis},allowAdmin=true"));

    public IDatabase Database => connection.GetDatabase();

    /// <summary>From now on nothing is taken that needs memory.</summary>
    public Task FillAsync() => Database.ExecuteAsync("CONFIG", "SET", "maxmemory", "1");

    /// <summary>As much as the machine has.</summary>
    public Task MakeRoomAsync() => Database.ExecuteAsync("CONFIG", "SET", "maxmemory", "0");

    /// <summary>Nobody is answered for so long.</summary>
    public Task PauseAsync(TimeSpan time) => Database.ExecuteAsync("CLIENT", "PAUSE", (long)time.TotalMilliseconds, "ALL");

    public void Dispose() => connection.Dispose();
}
