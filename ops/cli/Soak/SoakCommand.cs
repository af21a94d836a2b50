using System.CommandLine;
using System.Text.Json;
using Loire.Cli.Cluster;
using Loire.Cli.Terminal;

namespace Loire.Cli.Soak;

/// <summary><c>loire soak</c>: whether a cluster that is used for long stays as it is.</summary>
internal static class SoakCommand
{
    private static readonly JsonSerializerOptions Readable = new() { WriteIndented = true };

    public static Command Create()
    {
        var seconds = CommonOptions.Count("--seconds", "How long.", 600);
        var clients = CommonOptions.Count("--clients", "Clients at once.", 12);
        var silos = CommonOptions.Count("--silos", "Silos.", 2);
        var port = CommonOptions.Count("--port", "First of some forty ports that it takes.", 18480);
        var model = CommonOptions.Model();
        var json = CommonOptions.Json();
        var command = new Command("soak", "Lets sessions come, idle, hibernate, return, move and go, and shows what memory, handles, keys and directory do meanwhile.")
        {
            seconds, clients, silos, port, model, json,
        };
        command.SetAction(async (arguments, cancellationToken) =>
        {
            var folder = Directory.CreateTempSubdirectory("loire-soak-");
            var first = arguments.GetValue(port);
            var settings = new LocalSettings
            {
                Port = first, SiloPort = first + 10, RedisPort = first + 30, Model = CommonOptions.ModelFolderOf(arguments.GetValue(model)), Threads = 1, StateSeconds = 30, // so that what is left behind goes while it is watched
            };
            var cluster = await ClusterCommand.UpAsync(folder.FullName, settings, arguments.GetValue(silos), gateways: 1, cancellationToken);
            try
            {
                using var progress = new ProgressBar("soaking");
                var run = new SoakRun(cluster, arguments.GetValue(clients), seed: 1);
                var samples = await run.RunAsync(TimeSpan.FromSeconds(arguments.GetValue(seconds)), progress, cancellationToken);
                progress.Dispose();
                Console.WriteLine($"{run.Turns} turns in {run.Sessions} sessions; {run.Refused} calls refused.");
                Print(samples);
                if (arguments.GetValue(json) is { } file)
                {
                    await File.WriteAllTextAsync(file, JsonSerializer.Serialize(samples, Readable), cancellationToken);
                }
            }
            finally
            {
                await ClusterCommand.DownAsync(cluster, CancellationToken.None);
                folder.Delete(recursive: true);
            }

            return 0;
        });
        return command;
    }

    /// <summary>About a dozen rows, the first and the last among them.</summary>
    private static void Print(IReadOnlyList<SoakSample> samples)
    {
        var table = new TextTable("s", "memory, MB", "handles", "threads", "Redis keys", "Redis, MB", "directory");
        var every = Math.Max(1, samples.Count / 12);
        foreach (var (index, sample) in samples.Index().Where(pair => pair.Index % every == 0 || pair.Index == samples.Count - 1))
        {
            table.Add($"{sample.Seconds:0}", $"{sample.MemoryBytes / 1e6:0}", $"{sample.Handles}", $"{sample.Threads}", $"{sample.RedisKeys}", $"{sample.RedisBytes / 1e6:0.0}", $"{sample.DirectoryEntries}");
        }

        Console.Write(table);
    }
}
