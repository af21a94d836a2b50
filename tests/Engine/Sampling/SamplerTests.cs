using Loire.Engine.Sampling;

namespace Loire.Engine.Tests.Sampling;

public sealed class SamplerTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(15)]
    [InlineData(16)]
    [InlineData(33)]
    [InlineData(1000)]
    [InlineData(4096)]
    public void Greedy_takes_the_first_of_the_greatest(int vocabulary)
    {
        var random = new Random(vocabulary);
        var sampler = new Sampler(vocabulary, SamplingSettings.Greedy);
        for (var round = 0; round < 50; round++)
        {
            var logits = Logits(random, vocabulary, levels: 5);

            var sampled = sampler.Sample(logits, round);

            Assert.Equal(Array.IndexOf(logits, logits.Max()), sampled.Token);
            Assert.True(float.IsNaN(sampled.LogProb));
        }
    }

    [Theory]
    [InlineData(float.NaN, "NaN")]
    [InlineData(float.PositiveInfinity, "+∞")]
    public void A_damaged_logit_is_an_error_that_names_the_position(float damage, string name)
    {
        foreach (var vocabulary in new[] { 3, 16, 40, 4096 })
        {
            foreach (var at in new[] { 0, vocabulary / 2, vocabulary - 1 })
            {
                foreach (var settings in new[] { SamplingSettings.Greedy, new SamplingSettings { Temperature = 1, TopP = 0.9f } })
                {
                    var logits = new float[vocabulary];
                    logits[at] = damage;

                    var error = Assert.Throws<InvalidOperationException>(() => new Sampler(vocabulary, settings).Sample(logits, 1234));

                    Assert.Contains("position 1234", error.Message, StringComparison.Ordinal);
                    Assert.Contains(name, error.Message, StringComparison.Ordinal);
                }
            }
        }
    }

    [Fact]
    public void Logits_that_are_all_impossible_are_an_error()
    {
        var logits = Enumerable.Repeat(float.NegativeInfinity, 20).ToArray();

        Assert.Throws<InvalidOperationException>(() => new Sampler(20, SamplingSettings.Greedy).Sample(logits, 0));
    }

    [Fact]
    public void Impossible_tokens_are_never_drawn()
    {
        var logits = Enumerable.Repeat(float.NegativeInfinity, 100).ToArray();
        logits[17] = -5;
        foreach (var settings in new[] { new SamplingSettings { Temperature = 1 }, new() { Temperature = 1, TopK = 5 }, new() { Temperature = 1, TopP = 0.99f }, new() { Temperature = 50, MinP = 0.1f }, new() { Temperature = float.Epsilon } })
        {
            var sampler = new Sampler(100, settings);
            for (var position = 0; position < 50; position++)
            {
                Assert.Equal(17, sampler.Sample(logits, position).Token);
            }
        }
    }

    [Fact]
    public void A_draw_depends_on_seed_and_position_only()
    {
        var logits = Logits(new Random(1), 500);
        var settings = new SamplingSettings { Temperature = 1.5f, TopP = 0.95f, Seed = 9 };
        var first = new Sampler(500, settings);
        var second = new Sampler(500, settings);
        var forward = Enumerable.Range(0, 100).Select(p => first.Sample(logits, p).Token).ToArray();
        var backward = Enumerable.Range(0, 100).Reverse().Select(p => second.Sample(logits, p).Token).Reverse().ToArray();
        var otherSeed = new Sampler(500, settings with { Seed = 10 });

        Assert.Equal(forward, backward);
        Assert.NotEqual(forward, Enumerable.Range(0, 100).Select(p => otherSeed.Sample(logits, p).Token));
    }

    [Fact]
    public void A_very_low_temperature_is_greedy()
    {
        var logits = Logits(new Random(3), 300);
        var best = Array.IndexOf(logits, logits.Max());
        foreach (var temperature in new[] { 1e-3f, 1e-20f, 1e-44f })
        {
            Assert.Equal(best, new Sampler(300, new SamplingSettings { Temperature = temperature }).Sample(logits, 5).Token);
        }
    }

    [Fact]
    public void Repetition_divides_what_is_positive_and_multiplies_the_rest_over_prompt_and_output()
    {
        var sampler = new Sampler(5, new SamplingSettings { RepetitionPenalty = 2, LogProbs = 0 });
        sampler.ObservePrompt([0]);
        sampler.Observe(1);

        // 4 / 2 = 2, 3 / 2 = 1.5: token 2 leads with 2.5.
        Assert.Equal(2, sampler.Sample([4, 3, 2.5f, 0, 0], 0).Token);
        // −1 · 2 = −2, −1.5 · 2 = −3: token 2 leads with −1.9.
        Assert.Equal(2, sampler.Sample([-1, -1.5f, -1.9f, -9, -9], 0).Token);
    }

    [Fact]
    public void Presence_and_frequency_count_generated_tokens_only()
    {
        var presence = new Sampler(3, new SamplingSettings { PresencePenalty = 1 });
        var frequency = new Sampler(3, new SamplingSettings { FrequencyPenalty = 1 });
        foreach (var sampler in new[] { presence, frequency })
        {
            sampler.ObservePrompt([0, 0, 0]);
            sampler.Observe(1);
            sampler.Observe(1);
        }

        Assert.Equal(0, presence.Sample([5, 4, 3], 0).Token);
        Assert.Equal(1, presence.Sample([5, 6.5f, 3], 0).Token); // 6.5 − 1
        Assert.Equal(0, frequency.Sample([5, 6.5f, 3], 0).Token); // 6.5 − 2
    }

    [Fact]
    public void A_bias_moves_the_choice()
    {
        var sampler = new Sampler(3, new SamplingSettings { LogitBias = new Dictionary<int, float> { [2] = 100, [0] = -100 } });

        Assert.Equal(2, sampler.Sample([50, 40, 0], 0).Token);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(5)]
    [InlineData(20)]
    public void Log_probabilities_are_those_of_the_raw_logits(int alternatives)
    {
        var logits = Logits(new Random(8), 777, levels: 60);
        var settings = new SamplingSettings { Temperature = 0.5f, TopK = 3, RepetitionPenalty = 1.5f, LogProbs = alternatives, Seed = 3 };
        var sampler = new Sampler(777, settings);
        sampler.Observe(4);

        var sampled = sampler.Sample(logits, 10);

        var normalizer = Math.Log(logits.Sum(x => Math.Exp(x)));
        var expected = Enumerable.Range(0, 777).OrderByDescending(i => logits[i]).ThenBy(i => i).Take(alternatives).ToArray();
        Assert.Equal(logits[sampled.Token] - normalizer, sampled.LogProb, 1e-5);
        Assert.Equal(expected, sampler.Alternatives.ToArray().Select(a => a.Token));
        Assert.All(sampler.Alternatives.ToArray(), a => Assert.Equal(logits[a.Token] - normalizer, a.LogProb, 1e-5));
    }

    [Fact]
    public void More_alternatives_than_tokens_are_all_tokens()
    {
        var sampler = new Sampler(3, new SamplingSettings { LogProbs = 20 });

        sampler.Sample([1, 3, 2], 0);

        Assert.Equal([1, 2, 0], sampler.Alternatives.ToArray().Select(a => a.Token));
    }

    [Fact]
    public void The_wrong_number_of_logits_or_a_token_outside_the_vocabulary_is_an_error()
    {
        var sampler = new Sampler(3, SamplingSettings.Greedy);

        Assert.Throws<ArgumentException>(() => sampler.Sample([1, 2], 0));
        Assert.Throws<ArgumentOutOfRangeException>(() => sampler.Observe(3));
        Assert.Throws<ArgumentOutOfRangeException>(() => sampler.ObservePrompt([-1]));
    }

    [Fact]
    public void Sampling_allocates_nothing()
    {
        var logits = Logits(new Random(2), 4096);
        Sampler[] samplers =
        [
            new(4096, SamplingSettings.Greedy),
            new(4096, new SamplingSettings { Temperature = 1 }),
            new(4096, new SamplingSettings
            {
                Temperature = 1, TopK = 50, TopP = 0.9f, MinP = 0.01f, RepetitionPenalty = 1.1f, FrequencyPenalty = 0.1f,
                LogitBias = new Dictionary<int, float> { [3] = 1 }, LogProbs = 20,
            }),
            new(4096, new SamplingSettings { Temperature = 1, TopP = 0.9f, LogProbs = 3 }),
        ];
        SampleAll(samplers, logits, 0, 50);

        var before = GC.GetAllocatedBytesForCurrentThread();
        SampleAll(samplers, logits, 50, 1000);

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    internal static float[] Logits(Random random, int vocabulary, int levels = 0)
    {
        var logits = new float[vocabulary];
        for (var i = 0; i < vocabulary; i++)
        {
            var value = (float)((random.NextDouble() + random.NextDouble() + random.NextDouble() - 1.5) * 8);
            logits[i] = levels == 0 ? value : MathF.Round(value * levels / 12) * 12 / levels;
        }

        return logits;
    }

    private static void SampleAll(Sampler[] samplers, float[] logits, int from, int to)
    {
        for (var position = from; position < to; position++)
        {
            foreach (var sampler in samplers)
            {
                sampler.Observe(sampler.Sample(logits, position).Token);
            }
        }
    }
}
