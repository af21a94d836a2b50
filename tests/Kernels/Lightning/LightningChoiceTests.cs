namespace Loire.Kernels.Tests;

public sealed class LightningChoiceTests
{
    [Fact]
    public void Heads_are_halved_where_whole_ones_would_leave_multiprocessors_idle()
    {
        Assert.Equal(LightningState.Path.Width128InHalves, LightningState.Choose(headDim: 128, pairs: 64, multiprocessors: 132));
        Assert.Equal(LightningState.Path.Width128, LightningState.Choose(headDim: 128, pairs: 64 * 64, multiprocessors: 132));
        Assert.Equal(LightningState.Path.Width64, LightningState.Choose(headDim: 64, pairs: 1, multiprocessors: 132));
        Assert.Equal(LightningState.Path.AnyShape, LightningState.Choose(headDim: 96, pairs: 4096, multiprocessors: 132));
    }

    [Theory]
    [InlineData(ElementType.BFloat16, 128, 24576, 0, true)]
    [InlineData(ElementType.BFloat16, 64, 200, 32, true)]
    [InlineData(ElementType.BFloat16, 64, 204, 32, false)]
    [InlineData(ElementType.BFloat16, 64, 200, 8, false)]
    [InlineData(ElementType.BFloat16, 96, 960, 0, false)]
    [InlineData(ElementType.Float32, 128, 24576, 0, false)]
    public void Chunks_are_for_brain_floats_in_aligned_rows(ElementType type, int headDim, long stride, int address, bool suits) =>
        Assert.Equal(suits, LightningChunks.Suits(type, headDim, new ElementRows((ulong)address, stride)));

    [Theory]
    [InlineData(64)]
    [InlineData(128)]
    public void A_block_of_chunks_fits_every_gpu_with_164_kilobytes(int headDim) =>
        Assert.InRange(LightningChunks.SharedBytes(headDim), 1, 163 * 1024);

    [Fact]
    public void A_wide_norm_needs_whole_steps_and_an_aligned_gate()
    {
        Assert.True(GatedNorm.IsWide(8192, new ElementRows(256, 32768), isGateFloat: false));
        Assert.False(GatedNorm.IsWide(8192, new ElementRows(2, 32768), isGateFloat: false));
        Assert.False(GatedNorm.IsWide(8192, new ElementRows(8, 32768), isGateFloat: true));
        Assert.False(GatedNorm.IsWide(8000, new ElementRows(0, 32768), isGateFloat: false));
        Assert.True(GatedNorm.IsWide(512, new ElementRows(0, 512), isGateFloat: false));
        Assert.False(GatedNorm.IsWide(33 * 512, new ElementRows(0, 32768), isGateFloat: false));
    }
}
