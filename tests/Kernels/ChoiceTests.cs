namespace Loire.Kernels.Tests;

/// <summary>Which kernel takes which shape.</summary>
public sealed class ChoiceTests
{
    [Theory]
    [InlineData(1, 6144, ElementType.BFloat16, LinearPath.Stream)]
    [InlineData(16, 6144, ElementType.BFloat16, LinearPath.Stream)]
    [InlineData(17, 6144, ElementType.BFloat16, LinearPath.Library)]
    [InlineData(1, 6140, ElementType.BFloat16, LinearPath.Any)]
    [InlineData(1, 6152, ElementType.BFloat16, LinearPath.Library)]
    [InlineData(8192, 6144, ElementType.Float32, LinearPath.Any)]
    public void A_product_streams_its_weights_while_there_are_few_rows(int rows, int depth, ElementType type, LinearPath expected) =>
        Assert.Equal(expected, LinearChoice.Of(rows, depth, type, canStream: true, hasLibrary: true));

    [Fact]
    public void Without_the_library_more_rows_are_streamed() =>
        Assert.Equal(LinearPath.Stream, LinearChoice.Of(64, 6144, ElementType.BFloat16, canStream: true, hasLibrary: false));

    [Fact]
    public void Without_shared_memory_and_library_a_product_takes_the_path_for_any_shape() =>
        Assert.Equal(LinearPath.Any, LinearChoice.Of(1, 6144, ElementType.BFloat16, canStream: false, hasLibrary: false));

    [Theory]
    [InlineData(2, 9216, ExpertsPath.Stream)]
    [InlineData(512, 9216, ExpertsPath.Stream)]
    [InlineData(1024, 9216, ExpertsPath.Prefill)]
    [InlineData(16_384, 9216, ExpertsPath.Prefill)]
    [InlineData(16_384, 9215, ExpertsPath.Any)]
    public void Experts_stream_their_weights_while_they_have_few_entries(int entries, int width, ExpertsPath expected) =>
        Assert.Equal(expected, ExpertsChoice.Of(entries, 32, new ExpertWeights(0, 0, 6144, width, 0, 32), canStream: true, canPrefill: true));

    [Theory]
    [InlineData(2, 9216, ExpertsPath.Stream)]
    [InlineData(4095, 9216, ExpertsPath.Stream)]
    [InlineData(4096, 9216, ExpertsPath.Prefill)]
    [InlineData(4096, 9215, ExpertsPath.Any)]
    public void Weights_of_8_bits_are_streamed_for_longer(int entries, int width, ExpertsPath expected) =>
        Assert.Equal(expected, ExpertsChoice.Of(entries, 32, new ExpertWeights(0, 0, 6144, width, 0, 32, 1, 1), canStream: true, canPrefill: true));

    [Theory]
    [InlineData(6144, 9216, 32, 4)]
    [InlineData(256, 256, 8, 8)]
    [InlineData(16_384, 65_536, 4, 1)] // one, though it is larger than what several may take
    [InlineData(256, 100, 8, 0)]
    public void As_many_experts_are_brain_floats_at_once_as_some_memory_holds(int hidden, int width, int count, int expected) =>
        Assert.Equal(6L * hidden * width * expected, ExpertScratch.BytesFor(hidden, width, count));

    [Fact]
    public void Stages_of_a_streaming_kernel_fit_twice_into_a_multiprocessor() =>
        Assert.All(StreamShape.All, shape => Assert.InRange(shape.SharedBytes, 1, StreamWorkspace.MostSharedBytes));

    [Theory]
    [InlineData(3, 1)]
    [InlineData(4096, 4)]
    [InlineData(200_064, 32)]
    public void A_row_of_logits_is_cut_by_its_length_alone(int vocabulary, int expected) =>
        Assert.Equal(expected, GreedySampling.PartsOf(vocabulary));

    [Theory]
    [InlineData(1)]
    [InlineData(200_064)]
    [InlineData(1_000_000)]
    public void No_part_of_a_row_is_longer_than_shared_memory_holds(int vocabulary)
    {
        var parts = TopCandidates.PartsOf(vocabulary);

        Assert.InRange((vocabulary + parts - 1) / parts, 1, 8192);
    }

    [Theory]
    [InlineData(8, 64)]
    [InlineData(6144, 384)]
    [InlineData(20_000, 512)]
    public void A_norm_has_whole_warps(int hidden, int expected) => Assert.Equal(expected, AddNorm.ThreadsFor(hidden));

    [Theory]
    [InlineData(1, 1, 1, 64)]
    [InlineData(1, 1536, 24, 64)]
    [InlineData(16, 1536, 24, 64)]
    [InlineData(128, 1536, 6, 256)]
    [InlineData(1000, 1536, 2, 256)]
    [InlineData(8192, 1536, 1, 256)]
    [InlineData(100_000, 2, 1, 256)]
    public void A_push_of_few_rows_goes_to_many_multiprocessors(int rows, int columns, int blocks, int threads) =>
        Assert.Equal((blocks, threads), PartialSums.FormOf(rows, columns, multiprocessors: 132));
}
