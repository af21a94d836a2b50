using System.CommandLine;
using Loire.Cli.Terminal;
using Loire.Engine.Models;

namespace Loire.Cli.Bench;

/// <summary><c>loire bench</c>: speed on this machine.</summary>
internal static partial class BenchCommand
{
    public static Command Create()
    {
        var bench = new Command("bench", "Measures speed on this machine.") { Cpu(), Gpu(), Cluster() };
        AddActors(bench);
        return bench;
    }

    static partial void AddActors(Command bench);

    private static Command Cpu()
    {
        var model = CommonOptions.Model();
        var json = CommonOptions.Json();
        var runs = CommonOptions.Count("--runs", "Runs of each measurement.", 5);
        var only = new Option<string?>("--only") { Description = "Leave the other half out.", HelpName = "engine|server" };
        only.AcceptOnlyFromAmong("engine", "server");
        var write = new Option<bool>("--write-results") { Description = "Also write a page below tests/Benchmarks/results." };
        var command = new Command("cpu", "Measures engine and server on the processor, against the limits of this machine; exit code 1 when a target is missed.")
        {
            model, json, runs, only, write,
        };
        command.SetAction((arguments, cancellationToken) => RunAsync(
            CommonOptions.OpenModel(arguments.GetValue(model)),
            arguments.GetValue(runs),
            arguments.GetValue(only),
            arguments.GetValue(json),
            arguments.GetValue(write) ? Places.BenchmarkResults : null,
            cancellationToken));
        return command;
    }

    private static async Task<int> RunAsync(ModelFolder model, int runs, string? only, string? json, string? results, CancellationToken cancellationToken)
    {
        List<Measurement> measurements = [];
        using var progress = new ProgressBar("measuring");
        var machine = Machine.Measure();
        if (only != "server")
        {
            measurements.AddRange(await new EngineBench(model, machine, runs, cancellationToken).RunAsync(progress));
            measurements.AddRange(new LightningProfile(model, runs, cancellationToken).Run(progress));
        }

        if (only != "engine")
        {
            measurements.AddRange(await new ServerBench(model, runs, cancellationToken).RunAsync(progress));
        }

        progress.Dispose();
        var report = new BenchReport { Model = model.Name, Command = "cpu", At = TimeProvider.System.GetUtcNow(), Machine = machine, Measurements = measurements };
        return await FinishAsync(report, json, results, cancellationToken);
    }
}
