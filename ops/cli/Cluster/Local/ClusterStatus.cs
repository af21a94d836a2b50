using System.Diagnostics;
using System.Text.Json;
using Loire.Cli.Http;
using Loire.Cli.Terminal;

namespace Loire.Cli.Cluster;

/// <summary>What a local cluster's processes are, and what they say of themselves.</summary>
internal static class ClusterStatus
{
    /// <summary>Waits until so many silos serve, as every gateway sees it.</summary>
    /// <exception cref="CommandFailedException">A process has ended, or it takes too long; names it and its log.</exception>
    public static async Task WaitAsync(LocalCluster cluster, int silos, TimeSpan patience, CancellationToken cancellationToken)
    {
        var waited = Stopwatch.StartNew();
        foreach (var gateway in cluster.Gateways.Where(gateway => gateway.IsAlive))
        {
            using var client = new ServerClient(new Uri($"http://localhost:{gateway.Port}"));
            while (await ServingAsync(client, cancellationToken) < silos)
            {
                if (cluster.Processes.FirstOrDefault(process => !process.IsAlive) is { } ended && waited.Elapsed < patience)
                {
                    throw new CommandFailedException($"{ended.Name} has ended. Its log says:{Environment.NewLine}{Tail(cluster, ended)}");
                }

                if (waited.Elapsed > patience)
                {
                    throw new CommandFailedException($"After {patience.TotalSeconds:0} s fewer than {silos} silos serve. The logs are in {cluster.Folder}.");
                }

                await Task.Delay(50, cancellationToken);
            }
        }
    }

    /// <summary>Prints processes and ownership. False: no gateway answers.</summary>
    public static async Task<bool> PrintAsync(LocalCluster cluster, TextWriter output, CancellationToken cancellationToken)
    {
        var processes = new TextTable("process", "port", "metrics", "pid", "state");
        foreach (var process in cluster.Processes)
        {
            processes.Add(process.Name, $"{process.Port}", cluster.OpsPortOf(process) is > 0 and var ops ? $"{ops}" : "", $"{process.Pid}", process.IsAlive ? "runs" : "has ended");
        }

        if (cluster.Processes.Count == 0)
        {
            output.WriteLine($"Nothing runs. What {cluster.Folder} holds is there again after 'ops/cluster up'.");
            return false;
        }

        output.Write(processes);
        output.WriteLine();
        using var client = new ServerClient(cluster.Gateway);
        if (await ReadAsync(client, cancellationToken) is not { } view)
        {
            output.WriteLine("No gateway answers.");
            return false;
        }

        var silos = new TextTable("silo", "status", "sessions", "turns", "slots", "owns");
        foreach (var silo in view.GetProperty("silos").EnumerateArray())
        {
            var replicas = silo.GetProperty("replicas").EnumerateArray().ToArray();
            silos.Add(
                silo.GetProperty("name").GetString()!,
                silo.GetProperty("reason").GetString() ?? silo.GetProperty("status").GetString()!,
                silo.GetProperty("sessions").GetRawText(),
                silo.GetProperty("running_turns").GetRawText(),
                string.Join(", ", replicas.Select(replica => $"{replica.GetProperty("slots_in_use")}/{replica.GetProperty("slots")}")),
                string.Join("; ", replicas.Select(Owned)));
        }

        output.Write(silos);
        return true;
    }

    private static string Owned(JsonElement replica) =>
        $"{replica.GetProperty("key").GetString()} ({string.Join(", ", replica.GetProperty("stages").EnumerateArray().Concat(replica.GetProperty("shards").EnumerateArray()).Select(part => part.GetString()))})";

    /// <summary>How many silos serve, as this gateway sees it.</summary>
    public static async Task<int> ServingAsync(ServerClient client, CancellationToken cancellationToken) =>
        await ReadAsync(client, cancellationToken) is { } view
            ? view.GetProperty("silos").EnumerateArray().Count(silo => silo.GetProperty("status").GetString() == "Active" && silo.GetProperty("reason").ValueKind == JsonValueKind.Null)
            : 0;

    private static async Task<JsonElement?> ReadAsync(ServerClient client, CancellationToken cancellationToken)
    {
        try
        {
            return await client.ClusterAsync(cancellationToken);
        }
        catch (Exception silent) when (silent is HttpRequestException or ApiException)
        {
            return null;
        }
    }

    private static string Tail(LocalCluster cluster, LocalProcess process)
    {
        var path = Path.Combine(cluster.Folder, $"{process.Name}.log");
        return File.Exists(path) ? string.Join(Environment.NewLine, File.ReadLines(path).TakeLast(10)) : $"There is no {path}.";
    }
}
