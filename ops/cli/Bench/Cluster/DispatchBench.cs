using System.Diagnostics;
using Loire.Engine.Backends;
using Loire.Engine.Backends.Cpu;
using Loire.Engine.Models;
using Loire.Engine.State;

namespace Loire.Cli.Bench;

/// <summary>What dispatch to other silos costs a step: how long a step takes over one, two and three silos, and in which share of it home waits for the others.</summary>
/// <remarks>
/// All silos share the cores of this machine, with one computing thread each: these are the costs of the links, and not what more machines would give.
/// While home waits, the others compute its rows, so the share is an upper bound of what dispatch itself costs.
/// </remarks>
internal sealed class DispatchBench(ModelFolder model, int runs, CancellationToken cancellationToken)
{
    private const int Steps = 40;

    private static readonly BackendSizes Sizes = new(Slots: 64, Pages: 256, MaxRows: 128, MaxLogitsRows: 64, Threads: 1);
    private static readonly int[] Streams = [1, 8, 64];

    private static readonly (string Name, int[] Stages, int[] Shards)[] Layouts =
    [
        ("1 silo", [0], [0]),
        ("experts on 2 silos", [0], [0, 1]),
        ("stages on 2 silos", [0, 1], [0]),
        ("experts on 3 silos", [0], [0, 1, 2]),
    ];

    public IReadOnlyList<Measurement> Run()
    {
        List<Measurement> measurements = [];
        foreach (var (name, stages, shards) in Layouts)
        {
            cancellationToken.ThrowIfCancellationRequested();
            using var split = new SplitModel(model, stages, shards, Sizes);
            foreach (var streams in Streams)
            {
                measurements.AddRange(Measure(name, split.Backend, streams, isAlone: stages.Length + shards.Length == 2));
            }
        }

        return measurements;
    }

    private IEnumerable<Measurement> Measure(string layout, CpuBackend backend, int streams, bool isAlone)
    {
        var step = new DecodeStep(backend, streams);
        step.Run(); // compiles
        var (times, shares) = (new double[runs], new double[runs]);
        for (var run = 0; run < runs; run++)
        {
            var start = Stopwatch.GetTimestamp();
            var profile = backend.Profile(() =>
            {
                for (var i = 0; i < Steps; i++)
                {
                    step.Run();
                }
            });
            times[run] = Stopwatch.GetElapsedTime(start).TotalMicroseconds / Steps;
            shares[run] = 100 * profile[StepPart.Links].TotalMicroseconds / profile.Values.Sum(time => time.TotalMicroseconds);
        }

        var of = $"{layout}, {streams} stream{(streams > 1 ? "s" : "")}";
        yield return new Measurement { Name = $"step, {of}", Unit = "us", Samples = times };
        if (!isAlone)
        {
            yield return new Measurement { Name = $"waiting in dispatch, {of}", Unit = "% of the step", Samples = shares };
        }
    }

    /// <summary>One token of each stream.</summary>
    private sealed class DecodeStep(CpuBackend backend, int streams)
    {
        private readonly StepBatch _batch = new(Sizes.MaxRows, Sizes.Slots, Sizes.MaxLogitsRows);
        private readonly Random _random = new(11);
        private readonly List<int>[] _pages =
            [.. Enumerable.Range(0, streams).Select(stream => Enumerable.Range(stream * (Sizes.Pages / streams), PagePool.PagesFor(1)).ToList())];

        public void Run()
        {
            _batch.Clear();
            for (var stream = 0; stream < streams; stream++)
            {
                _batch.Add(stream, _pages[stream], start: 0, [_random.Next(backend.VocabularySize)], LogitsWanted.Last);
            }

            backend.Run(_batch);
        }
    }
}
