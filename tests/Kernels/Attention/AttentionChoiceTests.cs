namespace Loire.Kernels.Tests;

public sealed class AttentionChoiceTests
{
    [Theory]
    [InlineData(8, 32)] // one sequence, 8 key-value heads
    [InlineData(64 * 8, 1)]
    [InlineData(256 * 8, 1)]
    [InlineData(32 * 8, 2)]
    [InlineData(1, 32)]
    public void Ranges_of_pages_give_the_whole_gpu_work(int blocks, int splits) =>
        Assert.Equal(splits, AttentionDecode.Splits(blocks, multiprocessors: 132));

    [Theory]
    [InlineData(130, 1)]
    [InlineData(8192, 1)]
    [InlineData(45, 40)]
    [InlineData(1000, 7)]
    public void There_are_tiles_for_however_the_rows_lie(int rows, int sequences)
    {
        // The worst case: all sequences but one have one row more than a tile is filled by, as far as the rows go.
        var tiles = 0;
        var left = rows;
        for (var sequence = 0; sequence < sequences; sequence++)
        {
            var own = sequence == sequences - 1 ? left : Math.Max(1, Math.Min(left - (sequences - 1 - sequence), 129));
            tiles += (own + 127) / 128;
            left -= own;
        }

        Assert.InRange(tiles, 1, AttentionPrefill.MostTiles(rows, sequences));
    }

    [Theory]
    [InlineData(9, 128, PrefillPath.Groups)]
    [InlineData(9, 64, PrefillPath.Warps)]
    [InlineData(8, 128, PrefillPath.Warps)]
    [InlineData(10, 128, PrefillPath.Warps)]
    public void Products_of_warpgroups_are_for_hopper(int computeMajor, int headDim, PrefillPath path) =>
        Assert.Equal(path, Attention.Choose(computeMajor, 227 * 1024, headDim));

    [Theory]
    [InlineData(64, PrefillPath.Warps)]
    [InlineData(128, PrefillPath.Warps)]
    [InlineData(128, PrefillPath.Groups)]
    public void A_block_of_prefill_fits_the_shared_memory(int headDim, PrefillPath path) =>
        Assert.InRange(AttentionPrefill.SharedBytes(headDim, path), 1, (path is PrefillPath.Groups ? 227 : 163) * 1024);

    [Theory]
    [InlineData(3, 2, 64)]
    [InlineData(4, 0, 64)]
    [InlineData(4, 2, 257)]
    public void A_shape_that_is_none_is_refused(int heads, int keyValueHeads, int headDim) =>
        Assert.Throws<ArgumentException>(() => new AttentionShape(heads, keyValueHeads, headDim, 1).Check());
}
