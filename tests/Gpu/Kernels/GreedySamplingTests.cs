using Loire.Kernels;

namespace Loire.Gpu.Tests.Kernels;

public sealed class GreedySamplingTests(Gpu gpu) : IClassFixture<Gpu>
{
    [GpuTheory]
    [InlineData(1, 3)]
    [InlineData(5, 4096)]
    [InlineData(2, 33333)]
    [InlineData(70, 200_064)]
    public void The_token_is_the_greatest_and_its_log_probability_that_of_a_softmax(int rows, int vocabulary)
    {
        var logits = Numbers.Normal(1, (long)rows * vocabulary, 4);

        var (tokens, logProbs) = Sample(logits, rows, vocabulary);

        var expected = logits.Chunk(vocabulary).Select(row => GreedySamplingReference.Choose(row)).ToArray();
        Assert.Equal(expected.Select(row => row.Token), tokens);
        KernelAssert.Close([.. expected.Select(row => row.LogProb)], logProbs, KernelAssert.FloatRounding);
    }

    [GpuFact]
    public void The_lowest_token_wins_a_tie_whichever_part_it_is_in()
    {
        const int vocabulary = 50_000;
        var logits = new float[2 * vocabulary];
        logits[49_999] = logits[30_001] = logits[30_000] = 1;

        var (tokens, _) = Sample(logits, 2, vocabulary);

        Assert.Equal([30_000, 0], tokens);
    }

    [GpuFact]
    public void A_row_of_NaN_is_told_by_its_log_probability()
    {
        var (tokens, logProbs) = Sample([float.NaN, float.NaN, float.NaN], 1, 3);

        Assert.Equal([0], tokens);
        Assert.Equal([float.NaN], logProbs);
    }

    private (int[] Tokens, float[] LogProbs) Sample(float[] logits, int rows, int vocabulary)
    {
        using var deviceLogits = gpu.Upload(logits, rows, vocabulary);
        using var tokens = gpu.Poisoned<int>(1, rows);
        using var logProbs = gpu.Poisoned<float>(1, rows);
        using var workspace = gpu.Poisoned<byte>(1, GreedySampling.WorkspaceBytes(rows));
        new GreedySampling(gpu.Module("Sampling", ElementType.Float32)).Enqueue(gpu.Stream, deviceLogits.Matrix, tokens.Vector, logProbs.Vector, workspace.Vector);
        return (tokens.Download(), logProbs.Download());
    }
}
