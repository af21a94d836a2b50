using Loire.Engine.Backends.Cpu;
using Loire.Engine.Models;
using Loire.Engine.Replica;

namespace Loire.Cli.Bench;

/// <summary>What the lightning layers cost a token, after one thousand tokens and after thirty-two: their state does not grow, so the two must be the same.</summary>
/// <remarks>
/// The target is on prompt tokens, where the work counts. A decode step also moves the state through the caches, and far into
/// a context the keys and values of the softmax layers have pushed it out of them: those lines show what memory costs.
/// </remarks>
internal sealed class LightningProfile(ModelFolder model, int runs, CancellationToken cancellationToken)
{
    private const int Piece = 128;
    private const int DecodeTokens = 48;

    // A fifth is what a noisy machine may add.
    private const double Flat = 1.2;

    private static readonly int[] Lengths = [1024, 4096, 8192, 16_384, 32_768];

    public IReadOnlyList<Measurement> Run(IProgress<double> progress)
    {
        var ids = new PromptSource(model).Next(Lengths[^1] + (Lengths.Length * ((runs * DecodeTokens) + Piece)));
        using var runner = OfflineRunner.Load(model, maxTokens: ids.Length);
        runner.Prefill(ids.AsSpan(0, Piece)); // compiles
        runner.Profile(() => Decode(runner, ids, DecodeTokens));
        runner.Reset();

        List<Measurement> prompt = [], decode = [], shares = [];
        foreach (var length in Lengths)
        {
            cancellationToken.ThrowIfCancellationRequested();
            runner.Prefill(ids.AsSpan(runner.Position, Math.Max(0, length - (runs * Piece) - runner.Position)));
            var pieces = Enumerable.Range(0, runs).Select(_ => runner.Profile(() => runner.Prefill(ids.AsSpan(runner.Position, Piece)))).ToArray();
            var profiles = Enumerable.Range(0, runs).Select(_ => runner.Profile(() => Decode(runner, ids, DecodeTokens))).ToArray();
            var name = $"{length / 1024} K";
            prompt.Add(new() { Name = $"lightning, a prompt token at {name}", Unit = "us", Samples = [.. pieces.Select(profile => Lightning(profile).TotalMicroseconds / Piece)] });
            decode.Add(new() { Name = $"lightning, a decode token after {name}", Unit = "us", Samples = [.. profiles.Select(profile => Lightning(profile).TotalMicroseconds / DecodeTokens)] });
            shares.Add(new() { Name = $"lightning's share after {name}", Unit = "%", Samples = [.. profiles.Select(profile => 100 * Lightning(profile) / Total(profile))] });
            progress.Report((double)length / Lengths[^1]);
        }

        var medians = prompt.Select(measurement => measurement.Median).ToArray();
        return
        [
            .. prompt,
            .. decode,
            .. shares,
            new() { Name = "lightning, a prompt token, dearest over cheapest", Unit = "x", Samples = [medians.Max() / medians.Min()], Target = Flat, LowerIsBetter = true },
        ];
    }

    private static void Decode(OfflineRunner runner, int[] ids, int tokens)
    {
        for (var token = 0; token < tokens; token++)
        {
            runner.Prefill(ids.AsSpan(runner.Position, 1));
        }
    }

    private static TimeSpan Lightning(IReadOnlyDictionary<StepPart, TimeSpan> profile) => profile[StepPart.Lightning];

    private static TimeSpan Total(IReadOnlyDictionary<StepPart, TimeSpan> profile) => TimeSpan.FromTicks(profile.Values.Sum(time => time.Ticks));
}
