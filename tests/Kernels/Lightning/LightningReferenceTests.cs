namespace Loire.Kernels.Tests;

public sealed class LightningReferenceTests
{
    [Theory]
    [InlineData(1, 1, 64, 0.5)]
    [InlineData(13, 3, 5, 0.37)]
    [InlineData(130, 7, 64, 0.004)]
    [InlineData(200, 4, 64, 0.917)]
    public void Chunks_mean_the_same_as_tokens_one_by_one(int rows, int headDim, int chunk, double slope)
    {
        var qkv = Draw(1, rows * 3 * headDim);
        var state = Array.ConvertAll(Draw(2, headDim * headDim), value => (double)value);
        var chunkState = state.ToArray();

        var expected = LightningReference.Apply(qkv, state, Math.Exp(-slope), headDim);
        var found = LightningReference.ApplyInChunks(qkv, chunkState, slope, headDim, chunk);

        Same(expected, found);
        Same(state, chunkState);
    }

    [Fact]
    public void A_prompt_in_pieces_means_the_same_as_at_once()
    {
        const int headDim = 6;
        var qkv = Draw(3, 20 * 3 * headDim);
        var state = new double[headDim * headDim];
        var pieces = new double[headDim * headDim];

        var expected = LightningReference.Apply(qkv, state, 0.9, headDim);
        double[] found =
        [
            .. LightningReference.Apply(qkv.AsSpan(0, 7 * 3 * headDim), pieces, 0.9, headDim),
            .. LightningReference.Apply(qkv.AsSpan(7 * 3 * headDim), pieces, 0.9, headDim),
        ];

        Assert.Equal(expected, found);
        Assert.Equal(state, pieces);
    }

    [Fact]
    public void The_first_token_from_no_state_gives_its_value_by_the_product_of_query_and_key()
    {
        float[] qkv = [2, 0, 3, 5, 10, 100];

        var output = LightningReference.Apply(qkv, new double[4], decay: 0.5, headDim: 2);

        Assert.Equal([2 * 3 * 10.0, 2 * 3 * 100.0], output);
    }

    private static float[] Draw(int seed, int count)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, count).Select(_ => (float)((random.NextDouble() * 2) - 1))];
    }

    private static void Same(double[] expected, double[] found)
    {
        Assert.Equal(expected.Length, found.Length);
        for (var i = 0; i < expected.Length; i++)
        {
            Assert.Equal(expected[i], found[i], tolerance: 1e-12 * (1 + Math.Abs(expected[i]) + expected.Length));
        }
    }
}
