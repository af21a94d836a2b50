using Loire.Engine.Sampling;

namespace Loire.Engine.Tests.Sampling;

/// <summary>Draws agree with the naive definition, token by token and in their frequencies.</summary>
public sealed class DistributionTests
{
    public static TheoryData<float, int, float, float> Filters() => new()
    {
        { 1, 0, 1, 0 },
        { 0.7f, 0, 1, 0 },
        { 1.3f, 10, 1, 0 },
        { 1, 0, 0.9f, 0 },
        { 1, 0, 0.5f, 0 },
        { 2, 40, 0.8f, 0 },
        { 1, 0, 1, 0.05f },
        { 1.5f, 30, 0.95f, 0.02f },
    };

    [Theory]
    [MemberData(nameof(Filters))]
    public void Frequencies_fit_the_distribution(float temperature, int topK, float topP, float minP)
    {
        const int draws = 60_000;
        var settings = new SamplingSettings { Temperature = temperature, TopK = topK, TopP = topP, MinP = minP, Seed = 77 };
        var logits = SamplerTests.Logits(new Random(5), 60);
        var expected = NaiveSampling.Distribution(logits, settings, out _);
        var sampler = new Sampler(logits.Length, settings);
        var counts = new int[logits.Length];
        for (var position = 0; position < draws; position++)
        {
            counts[sampler.Sample(logits, position).Token]++;
        }

        // Cells need a handful of expected draws each: the rare tokens share one.
        var rare = Enumerable.Range(0, logits.Length).Where(i => expected[i] * draws < 10).ToArray();
        var common = Enumerable.Range(0, logits.Length).Except(rare).ToArray();
        ChiSquare.AssertFits(
            [.. common.Select(i => counts[i]), rare.Sum(i => counts[i])],
            [.. common.Select(i => expected[i]), rare.Sum(i => expected[i])]);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Any_draw_agrees_with_sorting_everything(int seed)
    {
        var random = new Random(seed);
        int[] vocabularies = [1, 2, 15, 16, 17, 100, 320, 4096];
        int[] levelChoices = [0, 0, 1, 3, 40];
        float[] topPs = [0, 1e-6f, 0.1f, 0.5f, 0.9f, 0.999f, 0.9999999f, 1];
        float[] minPs = [0, 0, 0.001f, 0.1f, 0.9f, 1];
        var compared = 0;
        for (var round = 0; round < 1500; round++)
        {
            var vocabulary = vocabularies[random.Next(vocabularies.Length - (round % 10 == 0 ? 0 : 1))];
            var logits = SamplerTests.Logits(random, vocabulary, levelChoices[random.Next(levelChoices.Length)]);
            for (var masked = random.Next(2) * random.Next(vocabulary); masked > 0; masked--)
            {
                logits[random.Next(vocabulary)] = logits.Max() == logits[0] ? logits[0] : float.NegativeInfinity;
            }

            var settings = new SamplingSettings
            {
                Temperature = (float)Math.Pow(10, (random.NextDouble() * 3) - 1.5),
                TopK = random.Next(3) == 0 ? 0 : random.Next(1, vocabulary + 3),
                TopP = topPs[random.Next(topPs.Length)],
                MinP = minPs[random.Next(minPs.Length)],
                Seed = (ulong)random.NextInt64(),
            };

            compared += AgreesWithNaive(logits, settings, random.Next(1 << 20)) ? 1 : 0;
        }

        Assert.True(compared > 1000, $"Only {compared} draws were clear of a border: the property tests too little.");
    }

    /// <summary>False where rounding may decide: the draw, or a filter, lies on a border.</summary>
    private static bool AgreesWithNaive(float[] logits, SamplingSettings settings, int position)
    {
        const double rounding = 2e-6; // relative error of fp32 sums of at most 64 terms, and of e^x
        var distribution = NaiveSampling.Distribution(logits, settings, out var borderMargin);
        var expected = NaiveSampling.Pick(distribution, CounterRandom.Uniform(settings.Seed, (ulong)position), out var drawMargin);
        var max = logits.Max();
        var minPMargin = settings.MinP == 0 ? 1 : logits.Min(x => Math.Abs(Math.Exp((x - (double)max) / settings.Temperature) - settings.MinP) / settings.MinP);
        if (Math.Min(borderMargin, drawMargin) < rounding || (minPMargin < 1e-4 && settings.MinP < 1))
        {
            return false;
        }

        var sampler = new Sampler(logits.Length, settings);
        Assert.Equal(expected, sampler.Sample(logits, position).Token);
        return true;
    }
}
