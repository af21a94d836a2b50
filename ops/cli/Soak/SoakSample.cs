using System.Globalization;
using Loire.Cli.Cluster;
using StackExchange.Redis;

namespace Loire.Cli.Soak;

/// <summary>What a cluster holds at one moment.</summary>
/// <param name="Seconds">Since the start.</param>
/// <param name="MemoryBytes">Resident memory of all silos and gateways.</param>
/// <param name="Handles">Their open files and sockets.</param>
/// <param name="Threads">Their threads.</param>
/// <param name="RedisKeys">Keys of the whole Redis.</param>
/// <param name="RedisBytes">Its memory.</param>
/// <param name="DirectoryEntries">Grains in the directory.</param>
internal sealed record SoakSample(double Seconds, long MemoryBytes, int Handles, int Threads, long RedisKeys, long RedisBytes, long DirectoryEntries)
{
    public static async Task<SoakSample> TakeAsync(LocalCluster cluster, IDatabase redis, double seconds)
    {
        var processes = cluster.Processes.Where(process => process.Kind != ProcessKind.Redis && process.IsAlive).ToArray();
        var info = (string?)await redis.ExecuteAsync("INFO", "memory") ?? "";
        return new SoakSample(
            seconds,
            processes.Sum(process => StatusOf(process.Pid, "VmRSS:") * 1024),
            processes.Sum(process => Directory.EnumerateFileSystemEntries($"/proc/{process.Pid}/fd").Count()),
            (int)processes.Sum(process => StatusOf(process.Pid, "Threads:")),
            (long)await redis.ExecuteAsync("DBSIZE"),
            long.Parse(info.Split("used_memory:")[1].Split('\r')[0], CultureInfo.InvariantCulture),
            await redis.HashLengthAsync($"loire:{{{cluster.Settings.Name}}}:directory"));
    }

    private static long StatusOf(int pid, string field) => File.ReadLines($"/proc/{pid}/status")
        .Where(line => line.StartsWith(field, StringComparison.Ordinal))
        .Select(line => long.Parse(line[field.Length..].Replace("kB", "", StringComparison.Ordinal), CultureInfo.InvariantCulture))
        .Single();
}
