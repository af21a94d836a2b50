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

        var (tokens, logProbs, maxima) = Sample(logits, rows, vocabulary);

        var expected = logits.Chunk(vocabulary).Select(row => GreedySamplingReference.Choose(row)).ToArray();
        Assert.Equal(expected.Select(row => row.Token), tokens);
        KernelAssert.Close([.. expected.Select(row => row.LogProb)], logProbs, KernelAssert.FloatRounding);
        Assert.Equal(logits.Chunk(vocabulary).Select(row => row.Max()), maxima);
    }

    [GpuFact]
    public void The_lowest_token_wins_a_tie_whichever_part_it_is_in()
    {
        const int vocabulary = 50_000;
        var logits = new float[2 * vocabulary];
        logits[49_999] = logits[30_001] = logits[30_000] = 1;

        var (tokens, _, _) = Sample(logits, 2, vocabulary);

        Assert.Equal([30_000, 0], tokens);
    }

    [GpuFact]
    public void A_row_of_NaN_is_told_by_its_log_probability()
    {
        var (tokens, logProbs, maxima) = Sample([float.NaN, float.NaN, float.NaN], 1, 3);

        Assert.Equal([0], tokens);
        Assert.Equal([float.NaN], logProbs);
        Assert.Equal([float.NaN], maxima);
    }

    [GpuTheory]
    [InlineData(3)]
    [InlineData(50_000)]
    public void A_NaN_is_found_wherever_it_is_and_minus_infinity_is_none(int vocabulary)
    {
        const float lowest = float.NegativeInfinity;
        float[][] rows = [.. Enumerable.Range(0, 4).Select(_ => Enumerable.Repeat(lowest, vocabulary).ToArray())];
        rows[1][0] = float.NaN;
        rows[2][0] = float.NaN; // far from the only number, with another thread
        rows[2][^1] = -7;
        rows[3][1] = -7;

        var (tokens, logProbs, maxima) = Sample([.. rows.SelectMany(row => row)], rows.Length, vocabulary);

        Assert.Equal([0, 0, vocabulary - 1, 1], tokens);
        Assert.Equal([float.NaN, float.NaN, float.NaN, 0], logProbs);
        Assert.Equal([lowest, float.NaN, -7, -7], maxima);
    }

    [GpuFact]
    public void Parts_of_a_vocabulary_joined_on_the_host_are_the_whole()
    {
        const int rows = 3;
        const int vocabulary = 20_011;
        int[] borders = [0, 5, 7000, 7001, vocabulary];
        var logits = Numbers.Normal(1, rows * vocabulary, 4);

        var parts = borders.Zip(borders.Skip(1), (first, end) =>
        {
            var (tokens, logProbs, maxima) = Sample([.. logits.Chunk(vocabulary).SelectMany(row => row[first..end])], rows, end - first);
            return Enumerable.Range(0, rows).Select(row => new GreedyPart(first + tokens[row], logProbs[row], maxima[row])).ToArray();
        }).ToArray();

        var joined = Enumerable.Range(0, rows).Select(row => GreedyParts.Join([.. parts.Select(part => part[row])])).ToArray();
        var expected = logits.Chunk(vocabulary).Select(row => GreedySamplingReference.Choose(row)).ToArray();
        Assert.Equal(expected.Select(row => row.Token), joined.Select(row => row.Token));
        KernelAssert.Close([.. expected.Select(row => row.LogProb)], [.. joined.Select(row => row.LogProb)], KernelAssert.FloatRounding);
    }

    [GpuFact]
    public void Maxima_need_not_be_wanted()
    {
        using var logits = gpu.Upload([1f, 2f, 0f], 1, 3);
        using var tokens = gpu.Poisoned<int>(1, 1);
        using var logProbs = gpu.Poisoned<float>(1, 1);
        using var workspace = gpu.Poisoned<byte>(1, GreedySampling.WorkspaceBytes(1));

        new GreedySampling(gpu.Module("Sampling", ElementType.Float32)).Enqueue(gpu.Stream, logits.Matrix, tokens.Vector, logProbs.Vector, workspace.Vector);

        Assert.Equal([1], tokens.Download());
    }

    private (int[] Tokens, float[] LogProbs, float[] Maxima) Sample(float[] logits, int rows, int vocabulary)
    {
        using var deviceLogits = gpu.Upload(logits, rows, vocabulary);
        using var tokens = gpu.Poisoned<int>(1, rows);
        using var logProbs = gpu.Poisoned<float>(1, rows);
        using var maxima = gpu.Poisoned<float>(1, rows);
        using var workspace = gpu.Poisoned<byte>(1, GreedySampling.WorkspaceBytes(rows));
        new GreedySampling(gpu.Module("Sampling", ElementType.Float32)).Enqueue(gpu.Stream, deviceLogits.Matrix, tokens.Vector, logProbs.Vector, workspace.Vector, maxima.Vector);
        return (tokens.Download(), logProbs.Download(), maxima.Download());
    }
}
