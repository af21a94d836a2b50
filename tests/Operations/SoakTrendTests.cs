using Loire.Cli.Soak;

namespace Loire.Operations.Tests;

/// <summary>What a soak calls flat.</summary>
public sealed class SoakTrendTests
{
    private const int Samples = 60;
    private const double Seconds = 5;

    [Fact]
    public void A_line_grows_by_what_it_rises_over_the_time_that_was_looked_at_and_without_error()
    {
        var trend = SoakTrend.Of(Series(i => 100 + (2 * i)));

        Assert.Equal(2.0 * (Samples - 1), trend.Growth, 9);
        Assert.Equal(0, trend.Error, 6);
        Assert.Equal(100 + (Samples - 1), trend.Mean, 9);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Noise_without_a_trend_is_within_three_errors_of_none_and_a_trend_in_noise_within_three_of_itself(int seed)
    {
        var random = new Random(seed);
        double[] noise = [.. Enumerable.Range(0, Samples).Select(_ => random.NextDouble() - 0.5)];

        var level = SoakTrend.Of(Series(i => 50 + noise[i]));
        var rising = SoakTrend.Of(Series(i => 50 + noise[i] + (0.1 * i)));

        Assert.InRange(Math.Abs(level.Growth), 0, 3 * level.Error);
        Assert.InRange(Math.Abs(rising.Growth - (0.1 * (Samples - 1))), 0, 3 * rising.Error);
        Assert.True(rising.Growth - (3 * rising.Error) > 0, $"{rising} is no trend.");
    }

    [Fact]
    public void What_goes_up_and_down_slowly_is_less_sure_than_noise_of_the_same_height()
    {
        var random = new Random(4);
        var quick = SoakTrend.Of(Series(_ => random.Next(2)));
        var slow = SoakTrend.Of(Series(i => i / 6 % 2));

        Assert.True(slow.Error > 1.5 * quick.Error, $"slow {slow}, quick {quick}");
    }

    [Theory]
    [InlineData(0, 1, 3, "flat")]
    [InlineData(2, 1, 3, "NOT SHOWN FLAT")] // 2 +- 2
    [InlineData(6, 1, 3, "GROWS")]
    [InlineData(-9, 1, 3, "flat")]
    public void A_series_is_flat_when_its_growth_and_twice_its_error_are_within_the_bound(double growth, double error, double bound, string word)
    {
        var verdict = new SoakVerdict("keys", 100, growth, error, bound);

        Assert.Equal(word, verdict.Word);
        Assert.Equal(word == "flat", verdict.IsFlat);
    }

    [Fact]
    public void A_client_has_always_as_many_sessions_and_each_goes_after_its_last_turn()
    {
        var sessions = new SoakSessions(client: 1, clients: 3, seed: 5);
        var gone = new HashSet<string>();
        for (var beat = 0; beat < 2_000; beat++)
        {
            var turn = sessions.Next();
            Assert.DoesNotContain(turn.Name, gone);
            if (turn.IsLast)
            {
                gone.Add(turn.Name);
            }

            Assert.Equal(4, sessions.Names.Distinct().Count());
            Assert.DoesNotContain(sessions.Names, gone.Contains);
        }

        Assert.InRange(gone.Count, 2_000 / 6, 2_000);
    }

    private static List<(double Seconds, double Value)> Series(Func<int, double> value) => [.. Enumerable.Range(0, Samples).Select(i => (i * Seconds, value(i)))];
}
