using System.CommandLine;
using System.Text.Json;
using Loire.Cli.Recall;
using Loire.Cli.Terminal;

namespace Loire.Cli.Chaos;

/// <summary><c>loire chaos</c>: breaks a cluster of processes in every way that clusters break, while conversations run on it.</summary>
internal static class ChaosCommand
{
    private static readonly JsonSerializerOptions Readable = new() { WriteIndented = true };

    public static Command Create()
    {
        var seconds = CommonOptions.Count("--seconds", "How long faults go on.", 60);
        var seed = new Option<int>("--seed") { Description = "Of the order of faults.", HelpName = "N", DefaultValueFactory = _ => 1 };
        var conversations = CommonOptions.Count("--conversations", "Conversations at once.", 32);
        var silos = CommonOptions.Count("--silos", "Silos at the start.", 3);
        var port = CommonOptions.Count("--port", "First of some forty ports that it takes.", 18080);
        var fast = new Option<bool>("--fast") { Description = "Short leases: a dead silo is found within a second." };
        var model = CommonOptions.Model();
        var json = CommonOptions.Json();
        var keep = new Option<string?>("--data") { Description = "Folder of the cluster, with the logs, which stays. Default: one that goes when nothing was wrong.", HelpName = "DIR" };
        var command = new Command("chaos", "Kills, freezes, drains and adds silos, kills gateways, fills, slows and restarts Redis and moves sessions under conversations; exit code 1 if anything that must hold did not.")
        {
            seconds, seed, conversations, silos, port, fast, model, json, keep,
        };
        command.SetAction(async (arguments, cancellationToken) =>
        {
            var folder = CommonOptions.ModelFolderOf(arguments.GetValue(model));
            var data = arguments.GetValue(keep) is { } named ? Path.GetFullPath(named) : Directory.CreateTempSubdirectory("loire-chaos-").FullName;
            var settings = new ChaosSettings(
                arguments.GetValue(seconds), arguments.GetValue(seed), arguments.GetValue(conversations), arguments.GetValue(silos), arguments.GetValue(fast), arguments.GetValue(port));
            ChaosReport report;
            using (var progress = new ProgressBar("chaos"))
            {
                report = await ChaosRun.RunAsync(folder, data, RecallFile.Read(Path.Combine(folder, "recall.json")), settings, progress, cancellationToken);
            }

            report.Print(Console.Out);
            if (arguments.GetValue(json) is { } file)
            {
                await File.WriteAllTextAsync(file, JsonSerializer.Serialize(report, Readable), cancellationToken);
            }

            if (report.Holds && arguments.GetValue(keep) is null)
            {
                Directory.Delete(data, recursive: true);
            }
            else if (!report.Holds)
            {
                Console.WriteLine($"Logs: {data}");
            }

            return report.Holds ? 0 : 1;
        });
        return command;
    }
}
