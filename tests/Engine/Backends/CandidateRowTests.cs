using Loire.Engine.Backends.Cuda;

namespace Loire.Engine.Tests.Backends;

/// <summary>The best tokens of a row that several GPUs have.</summary>
public sealed class CandidateRowTests
{
    [Fact]
    public void Parts_together_give_the_best_of_the_row()
    {
        const int most = 8;
        var random = new Random(1);
        var row = new CandidateRow(most);
        for (var round = 0; round < 500; round++)
        {
            var logits = Enumerable.Range(0, random.Next(1, 60)).Select(_ => Logit(random)).ToArray();
            var parts = random.Next(1, 5);
            row.Clear();
            for (var part = 0; part < parts; part++)
            {
                var (first, end) = (logits.Length * part / parts, logits.Length * (part + 1) / parts);
                var (tokens, best) = Best(logits[first..end], most);
                row.Merge(tokens, best, first);
            }

            var expected = Best(logits, Math.Min(most, logits.Length));
            Assert.Equal(expected.Tokens, row.Tokens);
            Assert.Equal(expected.Logits, row.Logits);
        }
    }

    private static float Logit(Random random) => random.Next(12) switch { 0 => float.NaN, 1 => float.NegativeInfinity, _ => random.Next(20) };

    /// <summary>As a device gives them.</summary>
    private static (int[] Tokens, float[] Logits) Best(float[] logits, int count)
    {
        int[] tokens = [.. Enumerable.Range(0, logits.Length).OrderByDescending(token => logits[token]).Take(count)]; // stable, and NaN is last
        var missing = Enumerable.Repeat(-1, count - tokens.Length);
        return ([.. tokens, .. missing], [.. tokens.Select(token => logits[token]), .. missing.Select(_ => float.NegativeInfinity)]);
    }
}
