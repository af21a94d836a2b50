namespace Loire.Kernels.Tests;

public sealed class GreedyPartsTests
{
    private const float Lowest = float.NegativeInfinity;

    public static TheoryData<int, int[]> Cuts => new()
    {
        { 1, [] },
        { 2, [1] },
        { 1000, [] },
        { 1000, [1, 2, 999] },
        { 1000, [500] },
        { 1000, [3, 250, 251, 600, 777, 998, 999] },
        { 100_003, [12_500, 25_001, 37_502, 50_003, 62_504, 75_005, 87_506] },
    };

    [Theory]
    [MemberData(nameof(Cuts))]
    public void Parts_joined_are_the_whole_row(int vocabulary, int[] cuts)
    {
        var random = new Random(42);
        float[] logits = [.. Enumerable.Range(0, vocabulary).Select(_ => (float)((random.NextDouble() * 40) - 20))];

        Same(logits, cuts);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Any_row_cut_anywhere_is_the_whole_row(int seed)
    {
        var random = new Random(seed);
        float[] values = [0, 1, 2, -1000, 1000, 1e-3f, 3e38f, -3e38f, Lowest, Lowest, Lowest];
        for (var turn = 0; turn < 2000; turn++)
        {
            float[] logits = [.. Enumerable.Range(0, random.Next(1, 12)).Select(_ => values[random.Next(values.Length)])];
            logits[random.Next(logits.Length)] = random.Next(20) switch { 0 => float.NaN, 1 => float.PositiveInfinity, _ => logits[0] };

            Same(logits, [.. Enumerable.Range(1, logits.Length - 1).Where(_ => random.Next(3) == 0)]);
        }
    }

    [Fact]
    public void The_first_of_equal_parts_wins()
    {
        var (token, logProb) = GreedyParts.Join([new(3, 0, 1), new(7, 0, 2), new(9, 0, 2)]);

        Assert.Equal(7, token);
        Assert.Equal(-MathF.Log(2 + MathF.Exp(-1)), logProb, tolerance: 1e-6f);
    }

    [Fact]
    public void A_part_alone_gives_what_it_has()
    {
        Assert.Equal((5, -1e-30f), GreedyParts.Join([new(5, -1e-30f, 3)]));
        Assert.Equal((5, -2.5f), GreedyParts.Join([new(0, float.NaN, Lowest), new(5, -2.5f, 3), new(7, float.NaN, Lowest)]));
    }

    [Fact]
    public void A_part_with_NaN_leaves_the_token_and_spoils_the_log_probability()
    {
        Assert.Equal((5, float.NaN), GreedyParts.Join([new(5, -2.5f, 3), new(7, float.NaN, float.NaN)])); // nothing but NaN
        Assert.Equal((5, float.NaN), GreedyParts.Join([new(5, -2.5f, 3), new(8, float.NaN, 1)])); // NaN beside numbers
        Assert.Equal((8, float.NaN), GreedyParts.Join([new(5, -2.5f, 3), new(8, float.NaN, 4)]));
    }

    [Fact]
    public void Without_a_number_it_is_token_0()
    {
        Assert.Equal((0, float.NaN), GreedyParts.Join([]));
        Assert.Equal((0, float.NaN), GreedyParts.Join([new(4, float.NaN, Lowest), new(8, float.NaN, float.NaN)]));
    }

    [Fact]
    public void A_maximum_tells_nothing_above_minus_infinity_from_NaN()
    {
        Assert.Equal(2, GreedySamplingReference.Max([Lowest, 2, float.NaN]));
        Assert.Equal(Lowest, GreedySamplingReference.Max([Lowest, Lowest]));
        Assert.Equal(float.NaN, GreedySamplingReference.Max([Lowest, float.NaN]));
        Assert.Equal((1, float.NaN), GreedySamplingReference.Choose([float.NaN, 1]));
    }

    private static void Same(float[] logits, int[] cuts)
    {
        var (token, logProb) = GreedyParts.Join(PartsOf(logits, cuts));

        var expected = GreedySamplingReference.Choose(logits);
        Assert.Equal(expected.Token, token);
        Assert.Equal(expected.LogProb, logProb, tolerance: 1e-6f * (1 + MathF.Abs(float.IsNaN(expected.LogProb) ? 0 : expected.LogProb))); // each part's is rounded once
    }

    private static GreedyPart[] PartsOf(float[] logits, int[] cuts)
    {
        int[] borders = [0, .. cuts, logits.Length];
        return [.. borders.Zip(borders.Skip(1), (first, end) =>
        {
            var part = logits.AsSpan(first..end);
            var (token, logProb) = GreedySamplingReference.Choose(part);
            return new GreedyPart(first + token, logProb, GreedySamplingReference.Max(part));
        })];
    }
}
