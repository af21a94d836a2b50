using Loire.Cuda;
using Loire.Engine.Sampling;
using Loire.Engine.Tests.Sampling;
using Loire.Kernels;
using static Loire.Gpu.Tests.Kernels.ChosenTokens;

namespace Loire.Gpu.Tests.Kernels;

/// <summary>A token that the device chooses is the one that the host's sampler gives for the whole row, and it chooses one wherever the host can by the same candidates.</summary>
public sealed class TokenChoiceTests(Gpu gpu) : IClassFixture<Gpu>
{
    private const int Rounds = 40; // of settings, for the same logits
    private const int DrawsForADoubt = 10_000; // sums in another order may leave open one draw at a border
    private const int SpareSlot = 9_999;
    private const int SparePage = 8_888;

    private TokenChoice Kernel => new(gpu.Module("TokenChoice", ElementType.Float32));

    [GpuTheory]
    [InlineData(1, 5)] // rows, vocabulary, and where it is cut
    [InlineData(3, 63, 1, 40)]
    [InlineData(257, 64)]
    [InlineData(257, 65, 2)]
    [InlineData(257, 1000)]
    [InlineData(257, 1000, 70, 130)]
    [InlineData(257, 1000, 125, 250, 375, 500, 625, 750, 875)]
    [InlineData(257, 33_333, 11_000)]
    [InlineData(3, 33_333, 10, 20_000)]
    [InlineData(3, 200_064)]
    [InlineData(1, 200_064, 66_688, 133_376)]
    public void What_is_chosen_is_what_the_whole_row_gives(int rows, int vocabulary, params int[] cuts)
    {
        var random = new Random(vocabulary + cuts.Length);
        using var parts = new VocabularyParts(gpu, [.. Enumerable.Range(0, rows).Select(i => Row(random, vocabulary, i))], cuts);
        var (certain, missed) = (0, 0);
        for (var round = 0; round < Rounds; round++)
        {
            Sampler[] samplers = [.. Enumerable.Range(0, rows).Select(_ => new Sampler(vocabulary, Settings(random)))];
            var (chosen, _) = Choose(parts, [.. samplers.Select((sampler, row) => sampler.ChoiceAt(PositionOf(round, row), []))]);
            for (var row = 0; row < rows; row++)
            {
                var isCertain = samplers[row].TrySample(parts.Candidates(row), PositionOf(round, row), out _);
                certain += isCertain ? 1 : 0;
                missed += isCertain && chosen[row] == NotDecided ? 1 : 0;
                AssertIsOf(samplers[row], parts.Rows[row], PositionOf(round, row), chosen[row]);
            }
        }

        Assert.True(certain > rows * Rounds / 4, $"Only {certain} of {rows * Rounds} draws were certain: the test looks at too little.");
        Assert.True(missed <= certain / DrawsForADoubt, $"{missed} of {certain} draws were certain on the host and not on the device.");
    }

    [GpuTheory]
    [InlineData(1, 0, 1, 0)] // temperature, top-k, top-p, min-p
    [InlineData(0.7f, 0, 0.95f, 0)]
    [InlineData(1.5f, 5, 1, 0)]
    [InlineData(0.3f, 40, 0.5f, 0.05f)]
    public void Draws_near_every_border_are_right_or_not_decided(float temperature, int topK, float topP, float minP)
    {
        const int rows = 1000;
        const int rounds = 20;
        var row = PeakedRows.Row(new Random(31), 2000, 1.5);
        using var parts = new VocabularyParts(gpu, [.. Enumerable.Repeat(row, rows)], 800);
        var sampler = new Sampler(row.Length, new SamplingSettings { Temperature = temperature, TopK = topK, TopP = topP, MinP = minP, Seed = 4 });
        for (var round = 0; round < rounds; round++)
        {
            var (chosen, _) = Choose(parts, [.. Enumerable.Range(0, rows).Select(i => sampler.ChoiceAt(PositionOf(round, i), []))]);
            for (var i = 0; i < rows; i++)
            {
                AssertIsOf(sampler, row, PositionOf(round, i), chosen[i]);
            }
        }
    }

    [GpuTheory]
    [InlineData(5)]
    [InlineData(33_333, 11_000, 11_001)]
    public void The_best_is_the_lowest_of_the_greatest_with_candidates_or_without(int vocabulary, params int[] cuts)
    {
        const int rows = 3;
        var random = new Random(7);
        using var parts = new VocabularyParts(gpu, [.. Enumerable.Range(0, rows).Select(_ => ManyEquals(random, vocabulary))], cuts);
        RowChoice[] choices = [.. Enumerable.Repeat(RowChoice.Best([]), rows)];
        int[] expected = [.. parts.Rows.Select(row => Array.IndexOf(row, row.Max()))];

        Assert.Equal(expected, Choose(parts, choices).Chosen);
        Assert.Equal(expected, Choose(parts, choices, hasCandidates: false).Chosen);
    }

    [GpuTheory]
    [InlineData(100)]
    [InlineData(100, 1, 50)]
    [InlineData(20_000, 70)]
    public void A_damaged_row_is_left_to_the_host(int vocabulary, params int[] cuts)
    {
        var rows = DamagedRows(vocabulary);
        using var parts = new VocabularyParts(gpu, rows, cuts);
        RowChoice[] kinds = [RowChoice.Best([]), RowChoice.Draw(1, 0, 1, 0, 0.5, []), RowChoice.Draw(2, 1, 0.5f, 0.1f, 0, [])];
        foreach (var kind in kinds)
        {
            var (chosen, carried) = Choose(parts, [.. Enumerable.Repeat(kind, rows.Length)]);

            Assert.All(chosen, token => Assert.Equal(NotDecided, token));
            Assert.All(carried, token => Assert.Equal(NotDecided, token));
        }
    }

    [GpuFact]
    public void An_end_is_chosen_and_not_carried()
    {
        float[] row = [1, 2, 9, 3, 8, 0];
        using var parts = new VocabularyParts(gpu, [.. Enumerable.Repeat(row, 5)], 3);

        var (chosen, carried) = Choose(parts,
        [
            RowChoice.Best([]), RowChoice.Best([0, 1, 3, 4, 2]), RowChoice.Best([0, 1, 3, 4, 5]),
            RowChoice.Draw(1, 1, 1, 0, 0.9, [2]), RowChoice.Draw(1, 1, 1, 0, 0.9, [3]),
        ]);

        Assert.Equal([2, 2, 2, 2, 2], chosen);
        Assert.Equal([2, NotDecided, 2, NotDecided, 2], carried);
    }

    [GpuFact]
    public void What_the_host_is_to_choose_and_draws_without_candidates_are_not_decided()
    {
        float[] row = [1, 2, 9, 3];
        using var parts = new VocabularyParts(gpu, [row, row, row]);

        var (chosen, carried) = Choose(parts, [default, RowChoice.Draw(1, 1, 1, 0, 0.5, []), RowChoice.Best([])], hasCandidates: false);

        Assert.Equal([NotDecided, NotDecided, 2], chosen);
        Assert.Equal(chosen, carried);
    }

    [GpuFact]
    public void A_row_is_chosen_alone_as_in_its_batch()
    {
        const int rows = 65;
        const int vocabulary = 5000;
        var random = new Random(12);
        using var parts = new VocabularyParts(gpu, [.. Enumerable.Range(0, rows).Select(i => Row(random, vocabulary, i))], 64, 3000);
        RowChoice[] choices = [.. Enumerable.Range(0, rows).Select(row => new Sampler(vocabulary, Settings(random)).ChoiceAt(row, []))];

        var (chosen, _) = Choose(parts, choices);

        for (var row = 0; row < rows; row++)
        {
            Assert.Equal(chosen[row], Choose(parts, choices[row..(row + 1)], firstRow: row).Chosen[0]);
        }
    }

    [GpuTheory]
    [InlineData(1)]
    [InlineData(3)]
    [InlineData(600)] // several blocks
    public void Tokens_are_taken_where_they_are_referred_to_and_rows_without_one_become_padding(int sequences)
    {
        var random = new Random(sequences);
        using var step = new PackedStep(gpu, [.. Enumerable.Range(0, sequences).Select(i => (Start: random.Next(1, 200), Rows: i % 7 == 5 ? 3 : 1)), (0, 1)]);
        int[] carried = [.. Enumerable.Range(0, 2 * sequences).Select(_ => random.Next(3) == 0 ? NotDecided : random.Next(1000))];
        int[] tokens = [.. Enumerable.Range(0, step.Rows).Select(_ => random.Next(1000))]; // the last row pads
        tokens[^1] = 0;
        for (var sequence = 0; sequence < sequences; sequence++)
        {
            tokens[step.FirstRows[sequence]] = step.Sequences[sequence].Rows == 1 && random.Next(4) > 0 ? -1 - random.Next(carried.Length) : tokens[step.FirstRows[sequence]];
        }

        using var deviceTokens = gpu.Upload(tokens);
        using var deviceCarried = gpu.Upload(carried);
        var (slots, pages) = (Read(step.Inputs.Slot), Read(step.Inputs.PageTable.AsVector()));

        Kernel.EnqueueTake(gpu.Stream, step.Inputs, deviceTokens.Vector, deviceCarried.Vector, SpareSlot, SparePage);

        var (expected, positions) = ((int[])tokens.Clone(), (int[])step.Positions.Clone());
        for (var row = 0; row < step.Rows; row++)
        {
            if (tokens[row] < 0)
            {
                expected[row] = Math.Max(0, carried[-1 - tokens[row]]);
                if (carried[-1 - tokens[row]] < 0)
                {
                    var sequence = step.SequenceOfRow[row];
                    (positions[row], slots[sequence], pages[sequence * step.PagesOfSequence]) = (0, SpareSlot, SparePage);
                }
            }
        }

        Assert.Equal(expected, deviceTokens.Download());
        Assert.Equal(positions, Read(step.Inputs.Positions));
        Assert.Equal(slots, Read(step.Inputs.Slot));
        Assert.Equal(pages, Read(step.Inputs.PageTable.AsVector()));
    }

    [GpuFact]
    public void What_one_step_chooses_the_next_one_takes_without_the_host()
    {
        float[] row = [1, 2, 9, 3];
        using var parts = new VocabularyParts(gpu, [row, row, row]);
        using var step = new PackedStep(gpu, (5, 1), (70, 1), (8, 1));
        using var choices = Upload(gpu, [RowChoice.Best([]), RowChoice.Best([2]), RowChoice.Draw(1, 1, 1, 0, 0.5, [1])]);
        using var chosen = gpu.Poisoned<int>(1, 3);
        using var carried = gpu.Poisoned<int>(1, 3);
        using var tokens = gpu.Upload([-3, -2, -1]);

        Kernel.Enqueue(gpu.Stream, choices.Vector, parts.Of(0, 3), 3, row.Length, chosen.Vector, carried.Vector);
        Kernel.EnqueueTake(gpu.Stream, step.Inputs, tokens.Vector, carried.Vector, SpareSlot, SparePage);

        Assert.Equal([2, 0, 2], tokens.Download());
        Assert.Equal([5, 0, 8], Read(step.Inputs.Positions));
        Assert.Equal([step.Slots[0], SpareSlot, step.Slots[2]], Read(step.Inputs.Slot));
    }

    [GpuFact]
    public void Parts_that_disagree_are_an_error()
    {
        using var parts = new VocabularyParts(gpu, [[1, 2, 3, 4]], 2);
        using var room = gpu.Poisoned<int>(1, RowChoice.Length);
        var (some, none) = (parts.Of(0, 1), parts.Of(0, 1, hasCandidates: false));

        void Enqueue(ChoicePart[] given, int rows) => Kernel.Enqueue(gpu.Stream, room.Vector, given, rows, 4, room.Vector, room.Vector);

        Assert.Throws<ArgumentException>(() => Enqueue([], 1));
        Assert.Throws<ArgumentException>(() => Enqueue([.. Enumerable.Repeat(some[0], TokenChoice.MostParts + 1)], 1));
        Assert.Throws<ArgumentException>(() => Enqueue([some[0], none[1]], 1));
        Assert.Throws<ArgumentException>(() => Enqueue(some, 2));
    }

    private (int[] Chosen, int[] Carried) Choose(VocabularyParts parts, RowChoice[] choices, bool hasCandidates = true, int firstRow = 0)
    {
        var rows = choices.Length;
        using var deviceChoices = Upload(gpu, choices);
        using var chosen = gpu.Poisoned<int>(1, rows);
        using var carried = gpu.Poisoned<int>(1, rows);
        gpu.Stream.Upload<int>(Enumerable.Repeat(int.MinValue, rows).ToArray(), chosen.Vector); // poison would be -1, which is an answer
        gpu.Stream.Upload<int>(Enumerable.Repeat(int.MinValue, rows).ToArray(), carried.Vector);
        Kernel.Enqueue(gpu.Stream, deviceChoices.Vector, parts.Of(firstRow, rows, hasCandidates), rows, parts.Vocabulary, chosen.Vector, carried.Vector);
        return (chosen.Download(), carried.Download());
    }

    private int[] Read(DeviceVector<int> vector)
    {
        var values = new int[vector.Length];
        gpu.Stream.Download(vector, values.AsSpan());
        return values;
    }

    /// <summary>Peaked as a rule, and always the first; now and then with many equals or impossible tokens.</summary>
    private static float[] Row(Random random, int vocabulary, int index)
    {
        var row = index > 0 && random.Next(5) == 0 ? ManyEquals(random, vocabulary) : PeakedRows.Row(random, vocabulary, 1.5 + (2 * random.NextDouble()));
        return Masked(random, row, oneRowIn: 5);
    }

    private static float[] ManyEquals(Random random, int vocabulary) => [.. Enumerable.Range(0, vocabulary).Select(_ => (float)random.Next(-20, 20))];

    private static SamplingSettings Settings(Random random)
    {
        int[] topKs = [0, 0, 0, 1, 5, 40, 64, 100];
        float[] topPs = [0.1f, 0.5f, 0.9f, 0.95f, 0.999f, 1, 1];
        float[] minPs = [0, 0, 0, 0.001f, 0.05f, 0.3f, 1];
        return new SamplingSettings
        {
            Temperature = random.Next(4) == 0 ? 1 : 0.2f + (1.3f * random.NextSingle()),
            TopK = topKs[random.Next(topKs.Length)],
            TopP = topPs[random.Next(topPs.Length)],
            MinP = minPs[random.Next(minPs.Length)],
            Seed = (ulong)random.NextInt64(),
        };
    }
}
