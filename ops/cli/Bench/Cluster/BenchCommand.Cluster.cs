using System.CommandLine;
using Loire.Cli.Terminal;

namespace Loire.Cli.Bench;

/// <remarks><c>loire bench cluster</c>.</remarks>
internal static partial class BenchCommand
{
    private static Command Cluster()
    {
        var model = CommonOptions.Model();
        var json = CommonOptions.Json();
        var runs = CommonOptions.Count("--runs", "Runs of each measurement.", 5);
        var kills = CommonOptions.Count("--kills", "Silos killed under a stream, with default and with fast leases each: about 10 s and 6 s apiece. 100 are needed for a 99th percentile.", 5);
        var only = new Option<string?>("--only") { Description = "Leave everything else out.", HelpName = "moves|losses|fast-losses|dispatch" };
        only.AcceptOnlyFromAmong("moves", "losses", "fast-losses", "dispatch");
        var port = CommonOptions.Count("--port", "First of some forty ports that it takes.", 18280);
        var write = new Option<bool>("--write-results") { Description = "Also write a page below tests/Benchmarks/results." };
        var command = new Command("cluster", "Measures clusters of one to three silos on this machine, over HTTP; exit code 1 when a target is missed.") { model, json, runs, kills, only, port, write };
        command.SetAction(async (arguments, cancellationToken) =>
        {
            var folder = Directory.CreateTempSubdirectory("loire-bench-");
            try
            {
                var opened = CommonOptions.OpenModel(arguments.GetValue(model));
                using var progress = new ProgressBar("measuring");
                var machine = Machine.Measure();
                var bench = new ClusterBench(opened, folder.FullName, arguments.GetValue(port), arguments.GetValue(runs), arguments.GetValue(kills), cancellationToken);
                var dispatch = new DispatchBench(opened, arguments.GetValue(runs), cancellationToken);
                IReadOnlyList<Measurement> measurements = arguments.GetValue(only) switch
                {
                    "moves" => await bench.RunMovesAsync(),
                    "losses" => await bench.RunLossesAsync(fast: false),
                    "fast-losses" => await bench.RunLossesAsync(fast: true),
                    "dispatch" => dispatch.Run(),
                    _ => [.. dispatch.Run(), .. await bench.RunAsync(progress)],
                };
                progress.Dispose();
                var report = new BenchReport { Model = opened.Name, Command = arguments.GetValue(only) is { } part ? $"cluster --only {part}" : "cluster", At = TimeProvider.System.GetUtcNow(), Machine = machine, Measurements = measurements };
                return await FinishAsync(report, arguments.GetValue(json), arguments.GetValue(write) ? Places.BenchmarkResults : null, cancellationToken);
            }
            finally
            {
                folder.Delete(recursive: true);
            }
        });
        return command;
    }

    /// <summary>Prints the report and writes it where it was asked for. The exit code.</summary>
    private static async Task<int> FinishAsync(BenchReport report, string? json, string? results, CancellationToken cancellationToken)
    {
        Console.WriteLine(report);
        if (json is not null)
        {
            await File.WriteAllTextAsync(json, report.ToJson(), cancellationToken);
        }

        if (results is not null)
        {
            var folder = Directory.CreateDirectory(Path.Combine(results, report.Machine.FolderName)).FullName;
            var name = report.Command == "cpu" ? report.Model : $"{report.Model}-{report.Command.Replace(" --only ", "-", StringComparison.Ordinal)}";
            await File.WriteAllTextAsync(Path.Combine(folder, $"{name}.md"), report.ToMarkdown(), cancellationToken);
        }

        return report.Measurements.All(measurement => measurement.IsMet != false) ? 0 : 1;
    }
}
