using Loire.Engine.Sampling;
using Xunit.Abstractions;

namespace Loire.Engine.Tests.Sampling;

/// <summary>How often 64 candidates are enough: the rest costs a whole row of logits over the bus.</summary>
public sealed class CandidateRateTests(ITestOutputHelper output)
{
    private const int Vocabulary = 32_768;
    private const int Rows = 200;

    /// <summary>Rows with from 0.01 to 10 percent of the probability beside the candidates, one percent on average.</summary>
    private static readonly Lazy<(float[] Row, CandidatesOf Candidates)[]> Peaked = new(() =>
    {
        var random = new Random(1);
        return [.. Enumerable.Range(0, Rows).Select(_ => PeakedRows.Row(random, Vocabulary, 1.5 + (2 * random.NextDouble()))).Select(row => (row, new CandidatesOf(row, 64)))];
    });

    public static TheoryData<string, float, int, float, float, float, double> Common() => new()
    {
        { "temperature 0.7, top-p 0.95", 0.7f, 0, 0.95f, 0, 1, 0.98 },
        { "temperature 1, top-k 50", 1, 50, 1, 0, 1, 0.99 },
        { "temperature 1, top-k 40, top-p 0.95", 1, 40, 0.95f, 0, 1, 0.99 },
        { "temperature 0.8, min-p 0.05", 0.8f, 0, 1, 0.05f, 1, 0.99 },
        { "temperature 1, top-p 0.95", 1, 0, 0.95f, 0, 1, 0.93 },
        { "temperature 0.7", 0.7f, 0, 1, 0, 1, 0.95 },
        { "temperature 1", 1, 0, 1, 0, 1, 0.8 },
        { "temperature 0, repetition 1.1", 0, 0, 1, 0, 1.1f, 0.99 },
        { "temperature 0.7, top-p 0.95, repetition 1.1", 0.7f, 0, 0.95f, 0, 1.1f, 0.96 },
        { "temperature 1, top-k 50, repetition 1.1", 1, 50, 1, 0, 1.1f, 0.8 },
        { "temperature 0.8, min-p 0.05, repetition 1.1", 0.8f, 0, 1, 0.05f, 1.1f, 0.99 },
    };

    [Theory]
    [MemberData(nameof(Common))]
    public void Common_settings_seldom_need_the_whole_row(string name, float temperature, int topK, float topP, float minP, float repetition, double least)
    {
        var random = new Random(2);
        var certain = 0;
        for (var i = 0; i < Rows; i++)
        {
            var settings = new SamplingSettings { Temperature = temperature, TopK = topK, TopP = topP, MinP = minP, RepetitionPenalty = repetition, Seed = (ulong)i };
            var (row, candidates) = Peaked.Value[i];
            var sampler = Observing(random, candidates, settings);
            if (sampler.TrySample(candidates.Value, i, out var sampled))
            {
                Assert.Equal(sampler.Sample(row, i).Token, sampled.Token);
                certain++;
            }
        }

        output.WriteLine($"{name}: {100.0 * certain / Rows:F1} % certain");
        Assert.True(certain >= least * Rows, $"{certain} of {Rows} draws were certain; {least:P0} are expected.");
    }

    /// <summary>A thousand tokens of a conversation, among them every third candidate.</summary>
    private static Sampler Observing(Random random, CandidatesOf candidates, SamplingSettings settings)
    {
        var sampler = new Sampler(Vocabulary, settings);
        for (var i = 0; i < 1000; i++)
        {
            sampler.ObservePrompt([i < 21 ? candidates.Tokens[random.Next(64)] : random.Next(Vocabulary)]);
        }

        return sampler;
    }
}
