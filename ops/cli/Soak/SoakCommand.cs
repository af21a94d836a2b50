using System.CommandLine;
using System.Text.Json;
using Loire.Cli.Chaos;
using Loire.Cli.Cluster;
using Loire.Cli.Http;
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
        var command = new Command("soak", "Lets sessions come, idle, hibernate, return, move and go at a steady rate; exit code 1 unless memory, handles, threads, keys and directory are shown to be flat over the second half.")
        {
            seconds, clients, silos, port, model, json,
        };
        command.SetAction(async (arguments, cancellationToken) =>
        {
            var folder = Directory.CreateTempSubdirectory("loire-soak-");
            var first = arguments.GetValue(port);
            var settings = new LocalSettings
            {
                Port = first, SiloPort = first + 10, OpsPort = first + 20, RedisPort = first + 30, Model = CommonOptions.ModelFolderOf(arguments.GetValue(model)), Threads = 1, StateSeconds = 30, // so that what is left behind goes while it is watched
            };
            var cluster = await ClusterCommand.UpAsync(folder.FullName, settings, arguments.GetValue(silos), gateways: 1, cancellationToken);
            try
            {
                var report = await RunAsync(cluster, arguments.GetValue(clients), TimeSpan.FromSeconds(arguments.GetValue(seconds)), cancellationToken);
                report.Print(Console.Out);
                if (arguments.GetValue(json) is { } file)
                {
                    await File.WriteAllTextAsync(file, JsonSerializer.Serialize(report, Readable), cancellationToken);
                }

                return report.Holds ? 0 : 1;
            }
            finally
            {
                await ClusterCommand.DownAsync(cluster, CancellationToken.None);
                folder.Delete(recursive: true);
            }
        });
        return command;
    }

    private static async Task<SoakReport> RunAsync(LocalCluster cluster, int clients, TimeSpan duration, CancellationToken cancellationToken)
    {
        var run = new SoakRun(cluster, clients, seed: 1);
        IReadOnlyList<SoakSample> samples;
        using (var progress = new ProgressBar("soaking"))
        {
            samples = await run.RunAsync(duration, progress, cancellationToken);
        }

        using var client = new ServerClient(cluster.Gateway);
        var audit = new ChaosAudit(cluster, client);
        return new SoakReport
        {
            Turns = run.Turns,
            Sessions = run.Sessions,
            Refused = run.Refused,
            Leaked = await audit.LeaksAsync(run.Last, cancellationToken),
            Unreachable = await audit.UnreachableAsync(cancellationToken),
            Samples = samples,
            Trends = SoakReport.TrendsOf(samples),
        };
    }
}
