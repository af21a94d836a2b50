using System.Globalization;
using Loire.Cli.Cluster;
using StackExchange.Redis;

namespace Loire.Cli.Soak;

/// <summary>What a cluster holds at one moment.</summary>
internal sealed record SoakSample
{
    /// <summary>Since the start.</summary>
    public required double Seconds { get; init; }

    /// <summary>Since the sample before.</summary>
    public required double TurnsPerSecond { get; init; }

    /// <summary>Resident memory of each silo and gateway.</summary>
    public required IReadOnlyDictionary<string, long> Resident { get; init; }

    /// <summary>Of all silos and gateways together.</summary>
    public long MemoryBytes => Resident.Values.Sum();

    /// <summary>Their managed heaps as of the last collection; what became garbage in the older generations is in it until those are collected.</summary>
    public required long HeapBytes { get; init; }

    /// <summary>Their open files and sockets.</summary>
    public required int Handles { get; init; }

    public required int Threads { get; init; }

    /// <summary>Session references in the store.</summary>
    public required long Sessions { get; init; }

    /// <summary>Turns in the store.</summary>
    public required long Turns { get; init; }

    /// <summary>Checkpoints in the store.</summary>
    public required long Checkpoints { get; init; }

    /// <summary>Blobs in the store.</summary>
    public required long Blobs { get; init; }

    /// <summary>Of the whole Redis.</summary>
    public required long RedisKeys { get; init; }

    /// <summary>Of the whole Redis.</summary>
    public required long RedisBytes { get; init; }

    /// <summary>Grains in the directory.</summary>
    public required long DirectoryEntries { get; init; }

    public static async Task<SoakSample> TakeAsync(LocalCluster cluster, IDatabase redis, HttpClient http, double seconds, double turnsPerSecond)
    {
        var processes = cluster.Processes.Where(process => process.Kind != ProcessKind.Redis && process.IsAlive).ToArray();
        var memory = (string?)await redis.ExecuteAsync("INFO", "memory") ?? "";
        return new SoakSample
        {
            Seconds = seconds,
            TurnsPerSecond = turnsPerSecond,
            Resident = processes.ToDictionary(process => process.Name, process => StatusOf(process.Pid, "VmRSS:") * 1024),
            HeapBytes = (await Task.WhenAll(processes.Select(process => HeapAsync(http, cluster.MetricsOf(process))))).Sum(),
            Handles = processes.Sum(process => Directory.EnumerateFileSystemEntries($"/proc/{process.Pid}/fd").Count()),
            Threads = (int)processes.Sum(process => StatusOf(process.Pid, "Threads:")),
            Sessions = await StoredAsync("sessions"),
            Turns = await StoredAsync("turns"),
            Checkpoints = await StoredAsync("checkpoints"),
            Blobs = await StoredAsync("blobs"),
            RedisKeys = (long)await redis.ExecuteAsync("DBSIZE"),
            RedisBytes = long.Parse(memory.Split("used_memory:")[1].Split('\r')[0], CultureInfo.InvariantCulture),
            DirectoryEntries = await redis.HashLengthAsync($"loire:{{{cluster.Settings.Name}}}:directory"),
        };

        Task<long> StoredAsync(string index) => redis.SortedSetLengthAsync($"loire:1:{{{cluster.Settings.Name}}}:{index}");
    }

    private static async Task<long> HeapAsync(HttpClient http, Uri metrics) => (await http.GetStringAsync(metrics)).Split('\n')
        .Where(line => line.StartsWith("dotnet_gc_last_collection_heap_size_bytes", StringComparison.Ordinal))
        .Sum(line => (long)double.Parse(line[(line.LastIndexOf(' ') + 1)..], CultureInfo.InvariantCulture));

    private static long StatusOf(int pid, string field) => File.ReadLines($"/proc/{pid}/status")
        .Where(line => line.StartsWith(field, StringComparison.Ordinal))
        .Select(line => long.Parse(line[field.Length..].Replace("kB", "", StringComparison.Ordinal), CultureInfo.InvariantCulture))
        .Single();
}
