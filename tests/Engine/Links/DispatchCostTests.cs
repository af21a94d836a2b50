using System.Diagnostics;
using Loire.Engine.Backends;
using Loire.Engine.Backends.Cpu;
using Loire.Engine.Models;
using Loire.Engine.State;
using Loire.Engine.Tests.Weights;
using Xunit.Abstractions;

namespace Loire.Engine.Tests.Links;

/// <summary>What dispatch over sockets adds to a step of the demo model: measured, printed, and bounded in bytes.</summary>
/// <remarks>All silos share this machine's cores, one computing thread each; the figures are those of its limit, not of a network.</remarks>
public sealed class DispatchCostTests(ITestOutputHelper output)
{
    private const int Steps = 15;
    private static readonly BackendSizes s_sizes = new(Slots: 64, Pages: 256, MaxRows: 128, MaxLogitsRows: 64, Threads: 1);

    [Fact]
    public async Task DispatchOfAStep_CostsTheBytesOfItsRows()
    {
        var model = ModelFolder.Open(RepositoryPaths.DemoModel);
        output.WriteLine($"{Environment.ProcessorCount} cores, {Steps} steps each, medians; {model.Graph.Layers.Length} layers, hidden {model.Graph.HiddenSize}");
        output.WriteLine("layout                 | sequences x rows | step us | one silo us | added us | waiting | bytes/step | bytes/token");
        await using var whole = new SplitReplica(model, [0], [0]);
        var one = whole.Backend(s_sizes);
        foreach (var (name, stages, shards) in new (string, int[], int[])[] { ("stages on 2", [0, 1], [0]), ("experts on 3", [0], [0, 1, 2]), ("both", [0, 1], [0, 1, 2]) })
        {
            await using var split = new SplitReplica(model, stages, shards);
            var many = split.Backend(s_sizes);
            foreach (var (sequences, rows) in new[] { (1, 1), (8, 1), (64, 1), (1, 128) })
            {
                var (alone, _, _) = Measure(one, whole, sequences, rows);
                var (step, waiting, bytes) = Measure(many, split, sequences, rows);
                var tokens = sequences * rows;
                output.WriteLine($"{name,-22} | {sequences,9} x {rows,-4} | {step,7:0} | {alone,11:0} | {step - alone,8:0} | {waiting,7:P0} | {bytes,10:N0} | {bytes / tokens,8:N0}");
                Assert.InRange(bytes, 1, MostBytes(model.Graph, stages.Length, shards.Length, tokens));
            }
        }
    }

    /// <summary>Each layer's rows to each other silo and each choice's output back (a stage elsewhere needs the experts at home, too); the stream to a stage and logits back; and heads.</summary>
    private static double MostBytes(ModelGraph graph, int stages, int shards, int tokens)
    {
        var row = sizeof(float) * (double)graph.HiddenSize;
        var experts = stages + shards > 2 ? graph.Layers.Length * tokens * 2 * ((2 * row) + 16) : 0;
        var stream = (stages - 1) * tokens * (row + (sizeof(float) * graph.VocabularySize) + 64);
        return experts + stream + 8192;
    }

    private static (double Step, double Waiting, double Bytes) Measure(CpuBackend backend, SplitReplica replica, int sequences, int rows)
    {
        var batch = new StepBatch(s_sizes.MaxRows, s_sizes.Slots, s_sizes.MaxLogitsRows);
        var random = new Random(11);
        var times = new List<double>();
        var pages = Enumerable.Range(0, sequences).Select(sequence => Enumerable.Range(sequence * (s_sizes.Pages / sequences), PagePool.PagesFor(rows)).ToList()).ToArray();
        void Run()
        {
            batch.Clear();
            for (var sequence = 0; sequence < sequences; sequence++)
            {
                batch.Add(sequence, pages[sequence], start: 0, Enumerable.Range(0, rows).Select(_ => random.Next(4096)).ToArray(), LogitsWanted.Last);
            }

            var start = Stopwatch.GetTimestamp();
            backend.Run(batch);
            times.Add(Stopwatch.GetElapsedTime(start).TotalMicroseconds);
        }

        Run();
        times.Clear();
        var before = replica.Silos.Sum(silo => silo.Bytes);
        var profile = backend.Profile(() =>
        {
            for (var step = 0; step < Steps; step++)
            {
                Run();
            }
        });
        times.Sort();
        var all = profile.Values.Sum(time => time.TotalMicroseconds);
        return (times[Steps / 2], profile[StepPart.Links].TotalMicroseconds / all, (replica.Silos.Sum(silo => silo.Bytes) - before) / (double)Steps);
    }
}
