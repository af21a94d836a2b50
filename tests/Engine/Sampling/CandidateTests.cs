using Loire.Engine.Sampling;

namespace Loire.Engine.Tests.Sampling;

/// <summary>What is sampled from the best of a row is what the whole row gives, or it is not sampled at all.</summary>
public sealed class CandidateTests
{
    /// <summary>Of the sum that candidates come with, and a rounding of the result, up to 1e6 · 2^−24 here.</summary>
    private const double LogProbTolerance = LogitCandidates.SumTolerance + 1e-5;

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public void Whatever_is_certain_is_what_the_whole_row_gives(int seed)
    {
        const int rounds = 2500;
        var random = new Random(seed);
        var (certain, tried) = (0, 0);
        for (var round = 0; round < rounds; round++)
        {
            var row = Row(random);
            var candidates = new CandidatesOf(row, RandomCount(random), (random.NextDouble() - 0.5) * 2e-5);
            var settings = Settings(random, row.Length);
            var sampler = Observing(random, candidates, settings);
            for (var draw = 0; draw < 12; draw++)
            {
                certain += IsCertainAndRight(sampler, row, candidates, draw) ? 1 : 0;
                tried++;
            }
        }

        Assert.True(certain > tried / 5, $"Only {certain} of {tried} draws were certain: the property tests too little.");
    }

    [Theory]
    [InlineData(1, 0, 0, 1)] // temperature, top-k, min-p, top-p
    [InlineData(0.7f, 0, 0, 0.95f)]
    [InlineData(1, 5, 0, 1)]
    [InlineData(1.5f, 0, 0.05f, 1)]
    [InlineData(0.3f, 0, 0, 1)]
    [InlineData(3, 0, 0, 0.999f)]
    public void Draws_near_every_border_are_right_or_not_certain(float temperature, int topK, float minP, float topP)
    {
        const int draws = 100_000; // many of them within rounding of a border
        var random = new Random(31);
        var row = SamplerTests.Logits(random, 2000);
        var candidates = new CandidatesOf(row, 64);
        var settings = new SamplingSettings { Temperature = temperature, TopK = topK, MinP = minP, TopP = topP, Seed = 4 };
        var sampler = new Sampler(row.Length, settings);
        for (var position = 0; position < draws; position++)
        {
            IsCertainAndRight(sampler, row, candidates, position);
        }
    }

    [Fact]
    public void Candidates_that_are_the_whole_vocabulary_are_as_good_as_the_row()
    {
        var random = new Random(6);
        var certain = 0;
        for (var round = 0; round < 1000; round++)
        {
            var row = SamplerTests.Logits(random, random.Next(1, 60), levels: random.Next(2) * 20);
            var candidates = new CandidatesOf(row, 64);
            var settings = Settings(random, row.Length) with { TopP = 0.9f };
            certain += IsCertainAndRight(Observing(random, candidates, settings), row, candidates, round) ? 1 : 0;
        }

        Assert.True(certain > 980, $"{certain} of 1000 draws were certain: only those at a border may be in doubt.");
    }

    [Theory]
    [InlineData(float.NaN)]
    [InlineData(float.PositiveInfinity)]
    [InlineData(float.NegativeInfinity)]
    public void A_damaged_row_is_left_to_the_whole_row(float damage)
    {
        foreach (var settings in new[] { SamplingSettings.Greedy, new() { LogProbs = 3 }, new() { Temperature = 1, TopK = 3 }, new() { RepetitionPenalty = 1.1f } })
        {
            float[] row = [.. Enumerable.Repeat(float.IsNegative(damage) ? damage : 1f, 100)];
            row[70] = damage;
            var sampler = new Sampler(100, settings);

            Assert.False(sampler.TrySample(new CandidatesOf(row, 10).Value, 0, out _));
            Assert.Throws<InvalidOperationException>(() => sampler.Sample(row, 0));
        }
    }

    [Fact]
    public void A_penalty_or_bias_that_lifts_another_token_is_seen()
    {
        float[] row = [5, 4, 3, 2, 1, 0];
        var candidates = new CandidatesOf(row, 3);
        var biased = new Sampler(6, new SamplingSettings { LogitBias = new Dictionary<int, float> { [5] = 10 } });
        var liked = new Sampler(6, new SamplingSettings { FrequencyPenalty = -2 });
        liked.Observe(4);
        liked.Observe(4);
        var lowered = new Sampler(6, new SamplingSettings { RepetitionPenalty = 2, PresencePenalty = 1 });
        lowered.Observe(0);
        lowered.Observe(4);

        Assert.False(biased.TrySample(candidates.Value, 0, out _));
        Assert.False(liked.TrySample(candidates.Value, 0, out _)); // 1 + 4: as good as the best
        Assert.True(lowered.TrySample(candidates.Value, 0, out var sampled)); // 5 / 2 − 1
        Assert.Equal(1, sampled.Token);
    }

    [Fact]
    public void Equals_at_the_border_of_the_candidates_are_left_to_the_whole_row()
    {
        float[] row = [1, 3, 3, 3, 2];
        var two = new CandidatesOf(row, 2);

        Assert.False(new Sampler(5, new SamplingSettings { Temperature = 1, TopK = 1 }).TrySample(two.Value, 0, out _));
        Assert.False(new Sampler(5, new SamplingSettings { LogProbs = 1 }).TrySample(two.Value, 0, out _));
        Assert.True(new Sampler(5, new SamplingSettings { Temperature = 1, TopK = 3 }).TrySample(new CandidatesOf(row, 4).Value, 0, out _));
    }

    [Fact]
    public void A_token_that_a_penalty_brings_down_to_the_others_may_have_an_equal_before_it()
    {
        float[] row = [3, 3, 1, 1, 1, 6];
        var sampler = new Sampler(6, new SamplingSettings { RepetitionPenalty = 2 });
        sampler.ObservePrompt([0, 5]);

        Assert.Equal(1, sampler.Sample(row, 0).Token); // as good as 5, with 6 / 2
        Assert.False(sampler.TrySample(new CandidatesOf(row, 2).Value, 0, out _));
    }

    [Fact]
    public void A_token_that_a_penalty_takes_out_of_the_top_k_does_not_count()
    {
        float[] row = [.. new[] { 0.6f, 1, 0.5f, 0.65f }.Select(weight => MathF.Log(weight))];
        row[2] += 2;
        var sampler = new Sampler(4, new SamplingSettings { Temperature = 1, TopK = 3, PresencePenalty = 2 });
        sampler.Observe(2);
        for (var position = 0; position < 1000; position++)
        {
            IsCertainAndRight(sampler, row, new CandidatesOf(row, 3), position);
        }
    }

    [Fact]
    public void What_penalties_take_from_the_other_tokens_does_not_count_for_the_nucleus()
    {
        float[] row = [.. new[] { 1, 0.3f, 0.29f, 0.28f }.Select(weight => MathF.Log(weight))];
        var sampler = new Sampler(4, new SamplingSettings { Temperature = 1, TopP = 0.62f, PresencePenalty = 2, FrequencyPenalty = 2 });
        sampler.Observe(3);
        for (var position = 0; position < 1000; position++)
        {
            IsCertainAndRight(sampler, row, new CandidatesOf(row, 3), position);
        }
    }

    [Fact]
    public void More_alternatives_than_candidates_are_left_to_the_whole_row()
    {
        var row = SamplerTests.Logits(new Random(1), 100);
        var sampler = new Sampler(100, new SamplingSettings { LogProbs = 20 });

        Assert.False(sampler.TrySample(new CandidatesOf(row, 20).Value, 0, out _)); // the twentieth may have equals
        Assert.True(sampler.TrySample(new CandidatesOf(row, 21).Value, 0, out _));
    }

    [Fact]
    public void Candidates_of_another_vocabulary_are_an_error()
    {
        var candidates = new CandidatesOf([1, 2, 3], 2);

        Assert.Throws<ArgumentException>(() => new Sampler(4, SamplingSettings.Greedy).TrySample(candidates.Value, 0, out _));
        Assert.Throws<ArgumentException>(() => new LogitCandidates([1, 2], [0f], 0, 10));
        Assert.Throws<ArgumentException>(() => new LogitCandidates([], [], 0, 10));
    }

    [Fact]
    public void Sampling_from_candidates_allocates_nothing()
    {
        var candidates = new CandidatesOf(SamplerTests.Logits(new Random(2), 4096), 64);
        Sampler[] samplers =
        [
            new(4096, new SamplingSettings { LogProbs = 20 }),
            new(4096, new SamplingSettings { Temperature = 1 }),
            new(4096, new SamplingSettings
            {
                Temperature = 1, TopK = 50, TopP = 0.9f, MinP = 0.01f, RepetitionPenalty = 1.1f, FrequencyPenalty = 0.1f,
                LogitBias = new Dictionary<int, float> { [3] = 1 }, LogProbs = 20,
            }),
        ];
        SampleAll(samplers, candidates, 0, 50);

        var before = GC.GetAllocatedBytesForCurrentThread();
        SampleAll(samplers, candidates, 50, 1000);

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    private static void SampleAll(Sampler[] samplers, CandidatesOf candidates, int from, int to)
    {
        for (var position = from; position < to; position++)
        {
            foreach (var sampler in samplers)
            {
                sampler.Observe(sampler.TrySample(candidates.Value, position, out var sampled) ? sampled.Token : 0);
            }
        }
    }

    private static bool IsCertainAndRight(Sampler sampler, float[] row, CandidatesOf candidates, long position)
    {
        if (!sampler.TrySample(candidates.Value, position, out var sampled))
        {
            return false;
        }

        var alternatives = sampler.Alternatives.ToArray();
        var expected = sampler.Sample(row, position); // throws where there is nothing to choose: then it was not certain either
        Assert.True(expected.Token == sampled.Token, $"Token {sampled.Token} instead of {expected.Token} at {position} with {sampler.Settings}.");
        Assert.Equal(float.IsNaN(expected.LogProb), float.IsNaN(sampled.LogProb));
        Assert.True(float.IsNaN(expected.LogProb) || Math.Abs(expected.LogProb - sampled.LogProb) <= LogProbTolerance * Math.Max(1, Math.Abs(expected.LogProb)));
        Assert.Equal(sampler.Alternatives.ToArray().Select(a => a.Token), alternatives.Select(a => a.Token));
        return true;
    }

    private static Sampler Observing(Random random, CandidatesOf candidates, SamplingSettings settings)
    {
        var sampler = new Sampler(candidates.Value.VocabularySize, settings);
        for (var i = random.Next(3) * random.Next(40); i > 0; i--)
        {
            var token = random.Next(2) == 0 ? candidates.Tokens[random.Next(candidates.Tokens.Length)] : random.Next(candidates.Value.VocabularySize);
            if (random.Next(3) == 0)
            {
                sampler.ObservePrompt([token]);
            }
            else
            {
                sampler.Observe(token);
            }
        }

        return sampler;
    }

    /// <summary>Flat and peaked, with and without equals, impossible tokens and zeros of both signs, of tiny and larger vocabularies; now and then a damaged one.</summary>
    private static float[] Row(Random random)
    {
        int[] vocabularies = [1, 2, 15, 17, 63, 64, 65, 100, 700, 3000];
        int[] levels = [0, 0, 0, 1, 3, 40];
        var vocabulary = vocabularies[random.Next(vocabularies.Length)];
        var row = random.Next(2) == 0 ? PeakedRows.Row(random, vocabulary, 1 + (3 * random.NextDouble())) : SamplerTests.Logits(random, vocabulary, levels[random.Next(levels.Length)]);
        for (var masked = random.Next(4) == 0 ? random.Next(vocabulary) : 0; masked > 0; masked--)
        {
            row[random.Next(vocabulary)] = float.NegativeInfinity;
        }

        if (random.Next(10) == 0)
        {
            row[random.Next(vocabulary)] = random.Next(4) switch { 0 => float.NaN, 1 => float.PositiveInfinity, 2 => 1e6f, _ => -0f };
        }

        return row;
    }

    private static int RandomCount(Random random) => random.Next(3) switch { 0 => random.Next(1, 20), 1 => 100, _ => 64 };

    private static SamplingSettings Settings(Random random, int vocabulary)
    {
        float[] topPs = [0, 1e-6f, 0.1f, 0.5f, 0.9f, 0.95f, 0.999f, 0.9999999f, 1, 1];
        float[] minPs = [0, 0, 0, 0.001f, 0.05f, 0.9f, 1];
        float[] repetitions = [1, 1, 1, 1.1f, 1.5f, 0.9f, 100];
        float[] penalties = [0, 0, 0, 0, 0.5f, 2, -1];
        return new SamplingSettings
        {
            Temperature = random.Next(6) switch { 0 => 0, 1 => 1, 2 => 0.7f, _ => (float)Math.Pow(10, (random.NextDouble() * 3) - 1.5) },
            TopK = random.Next(2) == 0 ? 0 : random.Next(1, Math.Min(vocabulary, 90) + 3),
            TopP = topPs[random.Next(topPs.Length)],
            MinP = minPs[random.Next(minPs.Length)],
            RepetitionPenalty = repetitions[random.Next(repetitions.Length)],
            PresencePenalty = penalties[random.Next(penalties.Length)],
            FrequencyPenalty = penalties[random.Next(penalties.Length)],
            LogitBias = random.Next(4) == 0 ? Enumerable.Range(0, 3).Select(_ => random.Next(vocabulary)).Distinct().ToDictionary(token => token, _ => (random.NextSingle() - 0.6f) * 10) : null,
            LogProbs = random.Next(4) == 0 ? random.Next(21) : -1,
            Seed = (ulong)random.NextInt64(),
        };
    }
}
