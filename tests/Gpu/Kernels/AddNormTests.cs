using Loire.Kernels;

namespace Loire.Gpu.Tests.Kernels;

public sealed class AddNormTests(Gpu gpu) : IClassFixture<Gpu>
{
    private const float Alpha = 1.75f;
    private const float Beta = 0.5f;
    private const float Epsilon = 1e-5f;

    [GpuTheory]
    [InlineData(1, 8, 1, ElementType.Float32)]
    [InlineData(3, 1000, 2, ElementType.Float32)]
    [InlineData(5, 33, 3, ElementType.BFloat16)]
    [InlineData(17, 6144, 2, ElementType.BFloat16)]
    [InlineData(2, 20000, 1, ElementType.BFloat16)]
    public void Stream_and_norm_are_those_of_the_weighted_terms(int rows, int hidden, int choices, ElementType type)
    {
        var (skip, terms, weights, norm) = (Numbers.Normal(1, rows * hidden), Numbers.Normal(2, rows * choices * hidden), Numbers.Uniform(3, rows * choices), Numbers.Uniform(4, hidden));
        using var deviceSkip = gpu.Upload(skip);
        using var deviceTerms = gpu.Upload(terms);
        using var deviceWeights = gpu.Upload(weights);
        using var deviceNorm = gpu.Upload(norm);
        using var x = new ElementBuffer(gpu, type, rows, hidden);
        using var stream = gpu.Poisoned<float>(rows, hidden);
        using var normed = gpu.Poisoned<float>(rows, hidden);
        var input = NormInput.OfResidual(deviceSkip.Address, Alpha, deviceTerms.Address, Beta) with { Choices = choices, TermWeights = deviceWeights.Address };

        Kernel(type).Enqueue(gpu.Stream, input, deviceNorm.Vector, Epsilon, new NormOutput { Rows = rows, X = x.Address, Stream = stream.Address, Normed = normed.Address });

        var expectedStream = AddNormReference.Residual(skip, Alpha, terms, weights, Beta, hidden);
        var expected = AddNormReference.Norm(expectedStream, norm, Epsilon);
        KernelAssert.Close(expectedStream, stream.Download(), KernelAssert.FloatRounding);
        KernelAssert.Close(expected, normed.Download(), KernelAssert.FloatRounding);
        KernelAssert.Close(expected, x.Download(), ElementBuffer.Rounding(type));
    }

    [GpuTheory]
    [InlineData(3, 33, 3, false)] // any shape
    [InlineData(5, 1000, 4, false)] // few rows
    [InlineData(200, 6144, 2, false)] // wide
    [InlineData(3, 33, 3, true)]
    [InlineData(200, 1024, 8, true)]
    public void Squares_norm_the_sum_of_the_terms(int rows, int hidden, int choices, bool arePicked)
    {
        const int width = 1280;
        const float squaresEpsilon = 0.25f;
        var (skip, terms, weights, norm) = (Numbers.Normal(1, rows * hidden), Numbers.Normal(2, rows * choices * hidden), Numbers.Uniform(3, rows * choices), Numbers.Uniform(4, hidden));
        var squares = Numbers.Uniform(5, rows * choices, 0, 3 * width);
        using var deviceSkip = gpu.Upload(skip);
        using var deviceTerms = gpu.Upload(terms);
        using var deviceWeights = gpu.Upload(weights);
        using var deviceSquares = gpu.Upload(squares);
        using var deviceNorm = gpu.Upload(norm);
        using var reversed = gpu.Upload(Enumerable.Range(0, rows).Reverse().ToArray());
        using var x = new ElementBuffer(gpu, ElementType.BFloat16, rows, hidden);
        using var stream = gpu.Poisoned<float>(rows, hidden);
        var input = NormInput.OfResidual(deviceSkip.Address, Alpha, deviceTerms.Address, Beta) with
        {
            Choices = choices, TermWeights = deviceWeights.Address, Squares = deviceSquares.Address, SquaresWidth = width, SquaresEpsilon = squaresEpsilon,
        };

        Kernel(ElementType.BFloat16).Enqueue(
            gpu.Stream, arePicked ? input.At(reversed.Vector) : input, deviceNorm.Vector, Epsilon, new NormOutput { Rows = rows, X = x.Address, Stream = stream.Address });

        var expected = AddNormReference.Residual(skip, Alpha, terms, weights, Beta, hidden, AddNormReference.Scales(squares, choices, width, squaresEpsilon));
        expected = arePicked ? [.. expected.Chunk(hidden).Reverse().SelectMany(row => row)] : expected;
        KernelAssert.Close(expected, stream.Download(), KernelAssert.FloatRounding);
        KernelAssert.Close(AddNormReference.Norm(expected, norm, Epsilon), x.Download(), KernelAssert.BFloat16Rounding);
    }

    [GpuTheory]
    [InlineData(3, 33)]
    [InlineData(3, 6144)]
    [InlineData(200, 6144)]
    public void Squares_whose_mean_is_1_change_no_bit(int rows, int hidden)
    {
        using var skip = gpu.Upload(Numbers.Normal(1, rows * hidden));
        using var terms = gpu.Upload(Numbers.Normal(2, rows * hidden));
        using var squares = gpu.Upload(Enumerable.Repeat(64f, rows).ToArray());
        using var norm = gpu.Upload(Numbers.Uniform(4, hidden));
        using var without = gpu.Poisoned<float>(rows, hidden);
        using var with = gpu.Poisoned<float>(rows, hidden);
        using var x = new ElementBuffer(gpu, ElementType.BFloat16, rows, hidden);
        var input = NormInput.OfResidual(skip.Address, Alpha, terms.Address, Beta);
        var kernel = Kernel(ElementType.BFloat16);

        kernel.Enqueue(gpu.Stream, input, norm.Vector, Epsilon, new NormOutput { Rows = rows, X = x.Address, Stream = without.Address });
        kernel.Enqueue(gpu.Stream, input with { Squares = squares.Address, SquaresWidth = 64 }, norm.Vector, Epsilon, new NormOutput { Rows = rows, X = x.Address, Stream = with.Address });

        Assert.Equal(without.Download(), with.Download());
    }

    [GpuTheory]
    [InlineData(ElementType.Float32)]
    [InlineData(ElementType.BFloat16)]
    public void The_first_norm_reads_the_embedding(ElementType type)
    {
        const int hidden = 100;
        var (table, norm) = (ElementBuffer.Kept(Numbers.Normal(1, 11 * hidden), type), Numbers.Uniform(2, hidden));
        int[] tokens = [10, 0, 3, 3];
        using var deviceTable = gpu.Upload(table, type);
        using var deviceTokens = gpu.Upload(tokens);
        using var deviceNorm = gpu.Upload(norm);
        using var x = new ElementBuffer(gpu, type, tokens.Length, hidden);
        using var stream = gpu.Poisoned<float>(tokens.Length, hidden);

        Kernel(type).Enqueue(gpu.Stream, NormInput.OfTokens(deviceTable.Address, deviceTokens.Vector), deviceNorm.Vector, Epsilon, new NormOutput { Rows = tokens.Length, X = x.Address, Stream = stream.Address });

        float[] expected = [.. tokens.SelectMany(token => table.Skip(token * hidden).Take(hidden))];
        Assert.Equal(expected, stream.Download());
        KernelAssert.Close(AddNormReference.Norm(expected, norm, Epsilon), x.Download(), ElementBuffer.Rounding(type));
    }

    [GpuFact]
    public void A_post_norm_stream_is_replaced_by_its_norm_in_place()
    {
        const int rows = 3;
        const int hidden = 257;
        var (skip, terms, shared, norm) = (Numbers.Normal(1, rows * hidden), Numbers.Normal(2, rows * hidden), Numbers.Normal(3, rows * hidden), Numbers.Uniform(4, hidden));
        float[] ones = [1, 1, 1];
        using var stream = gpu.Upload(skip);
        using var deviceTerms = gpu.Upload(terms);
        using var deviceShared = gpu.Upload(shared);
        using var sharedWeights = gpu.Upload(ones);
        using var deviceNorm = gpu.Upload(norm);
        using var x = new ElementBuffer(gpu, ElementType.Float32, rows, hidden);
        var input = NormInput.OfResidual(stream.Address, Alpha, deviceTerms.Address, Beta) with { Shared = deviceShared.Address, SharedWeights = sharedWeights.Address };

        Kernel(ElementType.Float32).Enqueue(gpu.Stream, input, deviceNorm.Vector, Epsilon, new NormOutput { Rows = rows, X = x.Address, Normed = stream.Address });

        float[] both = [.. terms.Zip(shared, (a, b) => a + b)];
        var expected = AddNormReference.Norm(AddNormReference.Residual(skip, Alpha, both, ones, Beta, hidden), norm, Epsilon);
        KernelAssert.Close(expected, stream.Download(), KernelAssert.FloatRounding);
        Assert.Equal(stream.Download(), x.Download());
    }

    [GpuFact]
    public void Picked_rows_have_the_bits_that_they_have_in_the_batch()
    {
        const int rows = 64;
        const int hidden = 5120;
        using var stream = gpu.Upload(Numbers.Normal(1, rows * hidden));
        using var norm = gpu.Upload(Numbers.Uniform(2, hidden));
        using var picked = gpu.Upload(new[] { 63, 5 });
        using var all = new ElementBuffer(gpu, ElementType.BFloat16, rows, hidden);
        using var two = new ElementBuffer(gpu, ElementType.BFloat16, 2, hidden);
        var kernel = Kernel(ElementType.BFloat16);

        kernel.Enqueue(gpu.Stream, NormInput.OfStream(stream.Address), norm.Vector, Epsilon, new NormOutput { Rows = rows, X = all.Address });
        kernel.Enqueue(gpu.Stream, NormInput.OfStream(stream.Address).At(picked.Vector), norm.Vector, Epsilon, new NormOutput { Rows = 2, X = two.Address });

        var batched = all.Download();
        Assert.Equal([.. batched[^hidden..], .. batched[(5 * hidden)..(6 * hidden)]], two.Download());
    }

    private AddNorm Kernel(ElementType type) => new(gpu.Module("AddNorm", type));
}
