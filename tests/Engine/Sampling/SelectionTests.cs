using Loire.Engine.Sampling;

namespace Loire.Engine.Tests.Sampling;

public sealed class SelectionTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void The_top_k_are_those_of_a_sort(int seed)
    {
        var random = new Random(seed);
        for (var round = 0; round < 800; round++)
        {
            var values = Values(random, random.Next(1, 200));
            var k = random.Next(1, values.Length + 2);
            var indices = new int[values.Length];
            var gathered = new float[values.Length];
            if (!float.IsFinite(values.Max()))
            {
                continue;
            }

            var count = Selection.GatherTop(values, values.Max(), k, indices, gathered);

            var least = values.OrderDescending().ElementAt(Math.Min(k, values.Length) - 1);
            var expected = Enumerable.Range(0, values.Length).Where(i => values[i] >= least && values[i] > float.NegativeInfinity);
            Assert.Equal(expected, indices[..count]);
            Assert.Equal(indices[..count].Select(i => values[i]), gathered[..count]);
        }
    }

    [Fact]
    public void Exponentials_are_exact_at_the_ends()
    {
        float[] values = [.. Enumerable.Range(0, 37).Select(i => i % 3 == 0 ? float.NegativeInfinity : i % 3 == 1 ? 5f : -1e30f)];
        var weights = new float[values.Length];

        var sum = LogitVectors.Exponentials(values, 5, 1, weights);

        Assert.Equal(values.Select(v => v == 5 ? 1f : 0f), weights);
        Assert.Equal(values.Count(v => v == 5), sum);
    }

    [Theory]
    [InlineData(7)]
    [InlineData(16)]
    [InlineData(5000)]
    public void Exponentials_and_sums_are_close_to_double_precision(int count)
    {
        var random = new Random(count);
        var values = Enumerable.Range(0, count).Select(_ => (float)(random.NextDouble() * -30)).ToArray();
        var weights = new float[count];

        var sum = LogitVectors.Exponentials(values, 0, 0.7f, weights);

        Assert.All(Enumerable.Range(0, count), i => Assert.Equal(1, weights[i] / Math.Exp(values[i] * 0.7f), 4e-6)); // the rounded product, times e^x
        Assert.Equal(1, sum / values.Sum(v => Math.Exp(v * 0.7f)), 1e-6);
        Assert.Equal(1, LogitVectors.SumAbove(weights, 0) / sum, 1e-6);
        Assert.Equal(weights.Count(w => w > 0.1f), LogitVectors.CountAbove(weights, 0.1f));
    }

    /// <summary>Ordinary numbers, tiny ones, huge ones, zeros of both signs, repeats and −∞.</summary>
    private static float[] Values(Random random, int count) =>
        [.. Enumerable.Range(0, count).Select(_ => random.Next(8) switch
        {
            0 => 0f,
            1 => -0f,
            2 => float.NegativeInfinity,
            3 => BitConverter.Int32BitsToSingle(random.Next(1, 50)),
            4 => (random.NextSingle() - 0.5f) * 1e38f,
            5 => random.Next(-3, 4),
            _ => (random.NextSingle() - 0.5f) * 40,
        })];
}
