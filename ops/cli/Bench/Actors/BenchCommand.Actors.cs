using System.CommandLine;
using Loire.Cli.Bench.Actors;
using Loire.Cli.Terminal;

namespace Loire.Cli.Bench;

/// <remarks>Only with the built-in actor runtime, whose transport it measures.</remarks>
internal static partial class BenchCommand
{
    static partial void AddActors(Command bench)
    {
        var json = CommonOptions.Json();
        var runs = CommonOptions.Count("--runs", "Runs of each measurement.", 5);
        var write = new Option<bool>("--write-results") { Description = "Also write a page below tests/Benchmarks/results." };
        var actors = new Command("actors", "Measures calls of grains, inside a silo and between two, against TCP without anything; exit code 1 when a target is missed.") { json, runs, write };
        actors.SetAction((arguments, cancellationToken) => RunActorsAsync(
            arguments.GetValue(runs), arguments.GetValue(json), arguments.GetValue(write) ? Places.BenchmarkResults : null, cancellationToken));
        var peer = new Command(ActorPeer.Command, "The other silo of 'bench actors'.") { Hidden = true };
        peer.SetAction((_, cancellationToken) => ActorPeer.RunAsync(cancellationToken));
        bench.Add(actors);
        bench.Add(peer);
    }

    private static async Task<int> RunActorsAsync(int runs, string? json, string? results, CancellationToken cancellationToken)
    {
        using var progress = new ProgressBar("measuring");
        var machine = Machine.Measure();
        var measurements = await new ActorBench(runs, cancellationToken).RunAsync(progress);
        progress.Dispose();
        var report = new BenchReport { Model = "runtime", Command = "actors", At = TimeProvider.System.GetUtcNow(), Machine = machine, Measurements = measurements };
        return await FinishAsync(report, json, results, cancellationToken);
    }
}
