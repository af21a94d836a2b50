using Loire.Kernels;

namespace Loire.Gpu.Tests.Kernels;

public sealed class TopCandidatesTests(Gpu gpu) : IClassFixture<Gpu>
{
    [GpuTheory]
    [InlineData(1, 3, 5)]
    [InlineData(2, 64, 64)]
    [InlineData(3, 4096, 1)]
    [InlineData(2, 33333, 20)]
    [InlineData(64, 200_064, 64)]
    [InlineData(1, 300_000, 40)]
    public void Candidates_are_the_greatest_best_first(int rows, int vocabulary, int count)
    {
        var logits = Numbers.Normal(1, (long)rows * vocabulary, 4);

        var (tokens, best) = Choose(logits, rows, vocabulary, count);

        var expected = logits.Chunk(vocabulary).SelectMany(row => TopCandidatesReference.Choose(row, count)).ToArray();
        Assert.Equal(expected.Select(candidate => candidate.Token), tokens);
        Assert.Equal(expected.Select(candidate => candidate.Logit), best);
    }

    [GpuFact]
    public void Of_many_equals_the_lowest_tokens_are_taken()
    {
        const int vocabulary = 70_000;
        var logits = Numbers.Integers(2, vocabulary, 3).Select(value => (float)value).ToArray();
        logits[69_999] = 5;

        var (tokens, _) = Choose(logits, 1, vocabulary, 30);

        Assert.Equal(TopCandidatesReference.Choose(logits, 30).Select(candidate => candidate.Token), tokens);
    }

    [GpuFact]
    public void Negative_logits_and_infinities_are_in_order()
    {
        float[] logits = [-3, float.NegativeInfinity, -1, -2, float.PositiveInfinity, -0.5f];

        var (tokens, _) = Choose(logits, 1, 6, 6);

        Assert.Equal([4, 5, 2, 3, 0, 1], tokens);
    }

    private (int[] Tokens, float[] Best) Choose(float[] logits, int rows, int vocabulary, int count)
    {
        using var deviceLogits = gpu.Upload(logits, rows, vocabulary);
        using var tokens = gpu.Poisoned<int>(rows, count);
        using var best = gpu.Poisoned<float>(rows, count);
        using var workspace = gpu.Poisoned<byte>(1, TopCandidates.WorkspaceBytes(rows, vocabulary, count));
        new TopCandidates(gpu.Module("TopCandidates", ElementType.Float32)).Enqueue(gpu.Stream, deviceLogits.Matrix, tokens.Matrix, best.Matrix, workspace.Vector);
        return (tokens.Download(), best.Download());
    }
}
