using Loire.Kernels;

namespace Loire.Gpu.Tests.Kernels;

/// <summary>Several buffers of one GPU stand for the memory of several.</summary>
public sealed class PartialSumsTests(Gpu gpu) : IClassFixture<Gpu>
{
    private const int Experts = 9;

    [GpuTheory]
    [InlineData(1, 6144, 2, 2)]
    [InlineData(3, 1000, 2, 4)]
    [InlineData(5, 33, 3, 8)]
    [InlineData(16, 6144, 1, 1)]
    [InlineData(130, 5120, 2, 3)]
    [InlineData(4000, 68, 2, 2)]
    [InlineData(2500, 7, 1, 2)]
    public void Every_target_gets_every_parts_own_terms_to_the_bit(int rows, int hidden, int choices, int parts)
    {
        var (weights, chosen) = (Numbers.Uniform(1, rows * choices), Numbers.Integers(2, rows * choices, Experts));
        using var deviceWeights = gpu.Upload(weights);
        using var deviceChosen = gpu.Upload(chosen);
        using var sums = new Targets(gpu, parts, rows, parts, hidden);
        var kernel = Kernel();
        var expected = new float[rows * parts * hidden];
        for (var part = 0; part < parts; part++)
        {
            var (first, end) = (Experts * part / parts, Experts * (part + 1) / parts);
            var terms = Numbers.Normal(3 + part, (long)rows * choices * hidden);
            SpoilElsewhere(terms, chosen, hidden, first, end);
            using var deviceTerms = gpu.Upload(terms);

            kernel.Enqueue(
                gpu.Stream,
                new PartialTerms { Rows = rows, Hidden = hidden, Terms = deviceTerms.Address, Choices = choices, Weights = deviceWeights.Address, Chosen = deviceChosen.Address, FirstExpert = first, EndExpert = end },
                new PartialTargets(sums.Addresses, [], part, parts));

            gpu.Stream.Synchronize();
            for (var row = 0; row < rows; row++)
            {
                var at = row * choices;
                PartialSumsReference.Row(hidden, terms.AsSpan(at * hidden, choices * hidden), weights.AsSpan(at, choices), chosen.AsSpan(at, choices), first, end)
                    .CopyTo(expected, ((row * parts) + part) * hidden);
            }
        }

        Assert.All(sums.Download(), target => Assert.Equal(expected, target));
    }

    [GpuTheory]
    [InlineData(2, 33)]
    [InlineData(3, 256)]
    public void Nothing_but_the_part_is_written_and_the_shared_term_comes_last(int rows, int hidden)
    {
        const int choices = 2;
        var (terms, shared, sharedWeights, squares) = (Numbers.Normal(1, rows * choices * hidden), Numbers.Normal(2, rows * hidden), Numbers.Uniform(3, rows), Numbers.Uniform(4, rows));
        using var deviceTerms = gpu.Upload(terms);
        using var deviceShared = gpu.Upload(shared);
        using var deviceSharedWeights = gpu.Upload(sharedWeights);
        using var deviceSquares = gpu.Upload(squares);
        using var sums = new Targets(gpu, 3, rows, 4, hidden);
        using var squareTargets = new Targets(gpu, 3, rows, 4, 1);
        var source = new PartialTerms { Rows = rows, Hidden = hidden, Terms = deviceTerms.Address, Choices = choices, Shared = deviceShared.Address, SharedWeights = deviceSharedWeights.Address, Squares = deviceSquares.Address };

        Kernel().Enqueue(gpu.Stream, source, new PartialTargets(sums.Addresses, squareTargets.Addresses, part: 2, parts: 4));

        float[] Spread(Func<int, float[]> rowOf, int width) =>
            [.. Enumerable.Range(0, rows * 4).SelectMany(i => i % 4 == 2 ? rowOf(i / 4) : Enumerable.Repeat(float.NaN, width))];
        float[] RowOf(int row) =>
            PartialSumsReference.Row(hidden, terms.AsSpan(row * choices * hidden, choices * hidden), [], [], 0, 0, shared.AsSpan(row * hidden, hidden), sharedWeights[row]);
        Assert.All(sums.Download(), target => Assert.Equal(Spread(RowOf, hidden), target));
        Assert.All(squareTargets.Download(), target => Assert.Equal(Spread(row => [squares[row]], 1), target));
    }

    [GpuFact]
    public void Rows_of_one_part_are_copied_to_every_peer()
    {
        const int rows = 5;
        const int hidden = 96;
        var block = Numbers.Normal(1, rows * hidden);
        using var deviceBlock = gpu.Upload(block);
        using var peers = new Targets(gpu, PartialSums.MostParts, rows, 1, hidden);

        Kernel().Enqueue(gpu.Stream, new PartialTerms { Rows = rows, Hidden = hidden, Terms = deviceBlock.Address, Choices = 1 }, new PartialTargets(peers.Addresses, [], part: 0, parts: 1));

        Assert.All(peers.Download(), peer => Assert.Equal(block, peer));
    }

    [GpuTheory]
    [InlineData(3, 1000, 4)]
    [InlineData(200, 2048, 2)]
    public void Parts_that_are_added_up_after_the_push_are_the_whole_layer(int rows, int hidden, int parts)
    {
        const int width = 640;
        const float epsilon = 1e-5f;
        var (skip, norm, squares) = (Numbers.Normal(1, rows * hidden), Numbers.Uniform(2, hidden), Numbers.Uniform(3, rows * parts, 1, width));
        using var deviceSkip = gpu.Upload(skip);
        using var deviceNorm = gpu.Upload(norm);
        using var sums = new Targets(gpu, parts, rows, parts, hidden);
        using var squareTargets = new Targets(gpu, parts, rows, parts, 1);
        var terms = Push(rows, hidden, parts, squares, sums, squareTargets);

        var results = sums.Addresses.Zip(squareTargets.Addresses, (sum, square) =>
        {
            using var x = new ElementBuffer(gpu, ElementType.Float32, rows, hidden);
            var input = NormInput.OfResidual(deviceSkip.Address, 1.5f, sum, 0.5f) with { Choices = parts, Squares = square, SquaresWidth = width, SquaresEpsilon = epsilon };
            new AddNorm(gpu.Module("AddNorm", ElementType.Float32)).Enqueue(gpu.Stream, input, deviceNorm.Vector, epsilon, new NormOutput { Rows = rows, X = x.Address });
            return x.Download();
        }).ToArray();

        float[] ones = [.. Enumerable.Repeat(1f, rows * parts)];
        var stream = AddNormReference.Residual(skip, 1.5, terms, ones, 0.5, hidden, AddNormReference.Scales(squares, parts, width, epsilon));
        KernelAssert.Close(AddNormReference.Norm(stream, norm, epsilon), results[0], KernelAssert.FloatRounding);
        Assert.All(results, result => Assert.Equal(results[0], result));
    }

    [GpuFact]
    public void A_push_without_targets_or_room_for_its_squares_is_refused()
    {
        using var rows = gpu.Upload(new float[4]);
        var source = new PartialTerms { Rows = 1, Hidden = 4, Terms = rows.Address, Choices = 1, Squares = rows.Address };

        Assert.Throws<ArgumentException>(() => Kernel().Enqueue(gpu.Stream, source, default));
        Assert.Throws<ArgumentException>(() => Kernel().Enqueue(gpu.Stream, source, new PartialTargets([rows.Address], [], 0, 1)));
    }

    /// <summary>Pushes every part's share of each row.</summary>
    /// <returns>Where it should be then: <c>[rows, parts, hidden]</c>.</returns>
    private float[] Push(int rows, int hidden, int parts, float[] squares, Targets sums, Targets squareTargets)
    {
        var pushed = new float[rows * parts * hidden];
        for (var part = 0; part < parts; part++)
        {
            var terms = Numbers.Normal(10 + part, rows * hidden);
            using var deviceTerms = gpu.Upload(terms);
            using var deviceSquares = gpu.Upload(Enumerable.Range(0, rows).Select(row => squares[(row * parts) + part]).ToArray());
            var source = new PartialTerms { Rows = rows, Hidden = hidden, Terms = deviceTerms.Address, Choices = 1, Squares = deviceSquares.Address };
            Kernel().Enqueue(gpu.Stream, source, new PartialTargets(sums.Addresses, squareTargets.Addresses, part, parts));
            gpu.Stream.Synchronize();
            for (var row = 0; row < rows; row++)
            {
                terms.AsSpan(row * hidden, hidden).CopyTo(pushed.AsSpan(((row * parts) + part) * hidden));
            }
        }

        return pushed;
    }

    /// <summary>Terms of experts that another part has are NaN, as memory that nobody wrote may be.</summary>
    private static void SpoilElsewhere(float[] terms, int[] chosen, int hidden, int first, int end)
    {
        for (var term = 0; term < chosen.Length; term++)
        {
            if (chosen[term] < first || chosen[term] >= end)
            {
                terms.AsSpan(term * hidden, hidden).Fill(float.NaN);
            }
        }
    }

    private PartialSums Kernel() => new(gpu.Module("PartialSums", ElementType.BFloat16));

    /// <summary>Poisoned buffers that a push writes to.</summary>
    private sealed class Targets(Gpu gpu, int count, int rows, int parts, int hidden) : IDisposable
    {
        private readonly DeviceBuffer<float>[] _buffers = [.. Enumerable.Range(0, count).Select(_ => gpu.Poisoned<float>((long)rows * parts, hidden))];

        public ulong[] Addresses => [.. _buffers.Select(buffer => buffer.Address)];

        public float[][] Download() => [.. _buffers.Select(buffer => buffer.Download())];

        public void Dispose()
        {
            foreach (var buffer in _buffers)
            {
                buffer.Dispose();
            }
        }
    }
}
