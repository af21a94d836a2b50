using Loire.Engine.Sampling;
using Loire.Engine.Tests.Sampling;
using Loire.Kernels;
using static Loire.Gpu.Tests.Kernels.ChosenTokens;

namespace Loire.Gpu.Tests.Kernels;

/// <summary>A token that the device draws from a whole row is the one that the host's sampler gives, and hardly a draw is left open.</summary>
public sealed class RowDrawTests(Gpu gpu) : IClassFixture<Gpu>
{
    private const int Rounds = 40; // of settings, for the same logits
    private const int DrawsForADoubt = 10_000; // one may lie within the rounding of sums

    private RowDraw Kernel => new(gpu.Module("RowDraw", ElementType.Float32));

    [GpuTheory]
    [InlineData(1, 5)] // rows, vocabulary, and where it is cut
    [InlineData(3, 63, 1, 40)]
    [InlineData(257, 64)]
    [InlineData(257, 511, 1, 2, 3, 5, 8, 13, 21)]
    [InlineData(257, 1000)]
    [InlineData(257, 1000, 70, 583)]
    [InlineData(257, 1000, 125, 250, 375, 500, 625, 750, 875)]
    [InlineData(257, 5001, 4095)]
    [InlineData(3, 33_333, 10, 20_001)]
    [InlineData(3, 200_064)]
    [InlineData(1, 200_064, 66_688, 133_376)]
    [InlineData(3, 200_064, 1, 25_009, 50_018, 75_023, 100_031, 150_047, 199_999)]
    public void What_is_drawn_is_what_the_host_draws_from_the_row(int rows, int vocabulary, params int[] cuts)
    {
        var random = new Random(vocabulary + cuts.Length);
        using var parts = new VocabularyParts(gpu, [.. Enumerable.Range(0, rows).Select(i => Row(random, vocabulary, i))], cuts);
        var open = 0;
        for (var round = 0; round < Rounds; round++)
        {
            Sampler[] samplers = [.. Enumerable.Range(0, rows).Select(_ => new Sampler(vocabulary, Settings(random)))];
            var (chosen, carried) = Draw(parts, [.. samplers.Select((sampler, row) => sampler.ChoiceAt(PositionOf(round, row), []))]);
            for (var row = 0; row < rows; row++)
            {
                AssertIsOf(samplers[row], parts.Rows[row], PositionOf(round, row), chosen[row]);
                open += chosen[row] == NotDecided ? 1 : 0;
            }

            Assert.Equal(chosen, carried);
        }

        Assert.True(open <= rows * Rounds / DrawsForADoubt, $"{open} of {rows * Rounds} draws were left open.");
    }

    [GpuTheory]
    [InlineData(1, 0, 1, 0)] // temperature, top-k, top-p, min-p
    [InlineData(5, 0, 0.9f, 0)]
    [InlineData(1.5f, 40, 1, 0)]
    [InlineData(0.7f, 1000, 0.99f, 0)]
    [InlineData(2, 0, 0.95f, 0.01f)]
    public void Draws_near_every_border_are_those_of_the_host(float temperature, int topK, float topP, float minP)
    {
        const int rows = 1000;
        const int rounds = 10;
        var row = PeakedRows.Row(new Random(31), 2000, 1.5);
        using var parts = new VocabularyParts(gpu, [.. Enumerable.Repeat(row, rows)], 801);
        var sampler = new Sampler(row.Length, new SamplingSettings { Temperature = temperature, TopK = topK, TopP = topP, MinP = minP, Seed = 4 });
        var open = 0;
        for (var round = 0; round < rounds; round++)
        {
            var (chosen, _) = Draw(parts, [.. Enumerable.Range(0, rows).Select(i => sampler.ChoiceAt(PositionOf(round, i), []))]);
            for (var i = 0; i < rows; i++)
            {
                AssertIsOf(sampler, row, PositionOf(round, i), chosen[i]);
                open += chosen[i] == NotDecided ? 1 : 0;
            }
        }

        Assert.True(open <= rows * rounds / DrawsForADoubt, $"{open} of {rows * rounds} draws were left open.");
    }

    [GpuTheory]
    [InlineData(1000, 0.5f)]
    [InlineData(1000, 0.75f, 333)]
    [InlineData(1001, 0.999f, 500, 501)]
    [InlineData(200_064, 0.5f)]
    [InlineData(200_064, 0.9f, 100_033)]
    public void Of_alike_sums_are_exact_and_no_border_is_in_doubt(int vocabulary, float topP, params int[] cuts)
    {
        float[] row = [.. Enumerable.Repeat(3f, vocabulary)];
        var nextToOne = Math.BitDecrement(1.0);
        using var parts = new VocabularyParts(gpu, [row, row, row], cuts);

        var (chosen, _) = Draw(parts, [RowChoice.Draw(1, 0, topP, 0, nextToOne, []), RowChoice.Draw(1, 0, topP, 0, 0, []), RowChoice.Draw(1, 0, 1, 0, 0.5, [])]);

        Assert.Equal([(int)Math.Ceiling((double)topP * vocabulary) - 1, 0, vocabulary / 2], chosen);
    }

    [GpuTheory]
    [InlineData(100)]
    [InlineData(100, 1, 50)]
    [InlineData(20_000, 70)]
    public void A_damaged_row_is_left_to_the_host(int vocabulary, params int[] cuts)
    {
        var rows = DamagedRows(vocabulary);
        using var parts = new VocabularyParts(gpu, rows, cuts);
        RowChoice[] kinds = [RowChoice.Draw(1, 0, 1, 0, 0.5, []), RowChoice.Draw(2, 1, 0.5f, 0.1f, 0, [])];
        foreach (var kind in kinds)
        {
            var (chosen, carried) = Draw(parts, [.. Enumerable.Repeat(kind, rows.Length)]);

            Assert.All(chosen, token => Assert.Equal(NotDecided, token));
            Assert.All(carried, token => Assert.Equal(NotDecided, token));
        }
    }

    [GpuFact]
    public void Rows_that_are_decided_or_not_to_be_drawn_stay_as_they_are()
    {
        float[] row = [1, 2, 9, 3];
        var draw = RowChoice.Draw(1, 1, 1, 0, 0.5, []);
        using var parts = new VocabularyParts(gpu, [.. Enumerable.Repeat(row, 6)], 1);

        var (chosen, carried) = Draw(parts, [draw, draw, draw, default, RowChoice.Best([]), draw], [3, 0, 1, -1, -1, -1], [3, -1, 7, -1, -5, -1]);

        Assert.Equal([3, 0, 1, -1, -1, 2], chosen);
        Assert.Equal([3, -1, 7, -1, -5, 2], carried);
    }

    [GpuFact]
    public void An_end_is_chosen_and_not_carried()
    {
        float[] row = [1, 2, 9, 3, 8, 0];
        using var parts = new VocabularyParts(gpu, [.. Enumerable.Repeat(row, 3)], 3);

        var (chosen, carried) = Draw(parts, [RowChoice.Draw(1, 1, 1, 0, 0.9, [2]), RowChoice.Draw(1, 1, 1, 0, 0.9, [0, 1, 3, 4, 2]), RowChoice.Draw(1, 1, 1, 0, 0.9, [3])]);

        Assert.Equal([2, 2, 2], chosen);
        Assert.Equal([NotDecided, NotDecided, 2], carried);
    }

    [GpuFact]
    public void What_the_candidates_leave_open_is_drawn_from_the_row()
    {
        const int rows = 257;
        const int vocabulary = 5000;
        var random = new Random(5);
        using var parts = new VocabularyParts(gpu, [.. Enumerable.Range(0, rows).Select(i => Row(random, vocabulary, i))], 1200);
        Sampler[] samplers = [.. Enumerable.Range(0, rows).Select(_ => new Sampler(vocabulary, Settings(random)))];
        using var choices = Upload(gpu, [.. samplers.Select((sampler, row) => sampler.ChoiceAt(row, []))]);
        using var chosen = gpu.Poisoned<int>(1, rows);
        using var carried = gpu.Poisoned<int>(1, rows);

        new TokenChoice(gpu.Module("TokenChoice", ElementType.Float32)).Enqueue(gpu.Stream, choices.Vector, parts.Of(0, rows), rows, vocabulary, chosen.Vector, carried.Vector);
        var first = chosen.Download();
        Kernel.Enqueue(gpu.Stream, choices.Vector, parts.RowsOf(0, rows), rows, vocabulary, chosen.Vector, carried.Vector);

        Assert.Contains(NotDecided, first);
        Assert.Contains(first, token => token != NotDecided);
        Assert.Equal([.. samplers.Select((sampler, row) => sampler.Sample(parts.Rows[row], row).Token)], chosen.Download());
        Assert.Equal(chosen.Download(), carried.Download());
    }

    [GpuFact]
    public void A_row_is_drawn_alone_as_in_its_batch()
    {
        const int rows = 65;
        const int vocabulary = 5001; // each row at another distance from a 16-byte border
        var random = new Random(12);
        using var parts = new VocabularyParts(gpu, [.. Enumerable.Range(0, rows).Select(i => Row(random, vocabulary, i))], 64, 3000);
        RowChoice[] choices = [.. Enumerable.Range(0, rows).Select(row => new Sampler(vocabulary, Settings(random)).ChoiceAt(row, []))];

        var (chosen, _) = Draw(parts, choices);

        for (var row = 0; row < rows; row++)
        {
            Assert.Equal(chosen[row], Draw(parts, choices[row..(row + 1)], firstRow: row).Chosen[0]);
        }
    }

    [GpuFact]
    public void Parts_that_do_not_make_up_the_vocabulary_are_an_error()
    {
        using var parts = new VocabularyParts(gpu, [[1, 2, 3, 4]], 2);
        using var room = gpu.Poisoned<int>(1, RowChoice.Length);
        var given = parts.RowsOf(0, 1);

        void Enqueue(DrawPart[] of, int rows, int vocabulary) => Kernel.Enqueue(gpu.Stream, room.Vector, of, rows, vocabulary, room.Vector, room.Vector);

        Assert.Throws<ArgumentException>(() => Enqueue([], 1, 4));
        Assert.Throws<ArgumentException>(() => Enqueue([.. Enumerable.Repeat(given[0], TokenChoice.MostParts + 1)], 1, 4));
        Assert.Throws<ArgumentException>(() => Enqueue(given, 2, 4));
        Assert.Throws<ArgumentException>(() => Enqueue(given, 1, 5));
        Assert.Throws<ArgumentException>(() => Enqueue([given[1], given[0]], 1, 4));
        Assert.Throws<ArgumentException>(() => Enqueue(given, 1, RowDraw.MostVocabulary + 1));
    }

    /// <summary>Of rows that nobody has chosen for, unless it is said what was chosen.</summary>
    private (int[] Chosen, int[] Carried) Draw(VocabularyParts parts, RowChoice[] choices, int[]? chosenBefore = null, int[]? carriedBefore = null, int firstRow = 0)
    {
        var rows = choices.Length;
        int[] open = [.. Enumerable.Repeat(NotDecided, rows)];
        using var deviceChoices = Upload(gpu, choices);
        using var chosen = gpu.Upload(chosenBefore ?? open);
        using var carried = gpu.Upload(carriedBefore ?? open);
        Kernel.Enqueue(gpu.Stream, deviceChoices.Vector, parts.RowsOf(firstRow, rows), rows, parts.Vocabulary, chosen.Vector, carried.Vector);
        return (chosen.Download(), carried.Download());
    }

    /// <summary>Peaked, flat, of few different logits, all alike, and spread out; now and then with impossible tokens.</summary>
    private static float[] Row(Random random, int vocabulary, int index)
    {
        float[] row = (index % 5) switch
        {
            0 => PeakedRows.Row(random, vocabulary, 1 + (2.5 * random.NextDouble())),
            1 => [.. Enumerable.Range(0, vocabulary).Select(_ => 7 + (0.1f * random.NextSingle()))],
            2 => [.. Enumerable.Range(0, vocabulary).Select(_ => (float)random.Next(-20, 20))],
            3 => [.. Enumerable.Repeat(-3.5f, vocabulary)],
            _ => [.. Enumerable.Range(0, vocabulary).Select(_ => random.Next(50) == 0 ? -0f : 10 * (random.NextSingle() - random.NextSingle()))],
        };
        return Masked(random, row, oneRowIn: 4);
    }

    private static SamplingSettings Settings(Random random)
    {
        float[] temperatures = [0.2f, 0.7f, 1, 1.5f, 5, 0.2f + (4.8f * random.NextSingle())];
        int[] topKs = [0, 0, 0, 1, 40, 100, 5000];
        float[] topPs = [0.1f, 0.5f, 0.9f, 0.95f, 0.999f, 1, 1, 1, 1];
        float[] minPs = [0, 0, 0, 0.001f, 0.05f, 0.3f];
        return new SamplingSettings
        {
            Temperature = temperatures[random.Next(temperatures.Length)],
            TopK = topKs[random.Next(topKs.Length)],
            TopP = topPs[random.Next(topPs.Length)],
            MinP = minPs[random.Next(minPs.Length)],
            Seed = (ulong)random.NextInt64(),
        };
    }
}
