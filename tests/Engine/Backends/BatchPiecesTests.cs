using Loire.Engine.Backends;
using Loire.Engine.Backends.Cuda;
using Loire.Engine.State;

namespace Loire.Engine.Tests.Backends;

/// <summary>Large batches that stages work on in pieces.</summary>
public sealed class BatchPiecesTests
{
    [Fact]
    public void Pieces_are_the_batch_row_by_row_and_logit_by_logit()
    {
        for (var seed = 0; seed < 200; seed++)
        {
            var random = new Random(seed);
            var most = random.Next(2, 9);
            var maxRows = random.Next(2, 10) * BatchPieces.LeastRows;
            var batch = RandomBatch(random, maxRows);
            var pieces = new BatchPieces(most, maxRows, 64, maxRows).Cut(batch).ToArray();

            Assert.InRange(pieces.Length, 1, most);
            Assert.Equal(RowsOf(batch), pieces.SelectMany(RowsOf));
            Assert.Equal(WantedOf(batch), pieces.SelectMany(WantedOf));
            Assert.All(pieces, piece => Assert.Equal(batch.NeedsCandidates, piece.NeedsCandidates));
            Assert.All(pieces, piece => Assert.InRange(piece.RowCount, 1, BatchPieces.MostRows(maxRows, most)));
            AssertCutAtPages(batch, pieces);
        }
    }

    [Fact]
    public void A_batch_that_costs_by_its_weights_stays_whole()
    {
        var batch = new StepBatch(8192, 512, 512);
        for (var slot = 0; slot < 512; slot++)
        {
            batch.Add(slot, [slot], start: slot, [7], LogitsWanted.Last);
        }

        var pieces = new BatchPieces(8, 8192, 512, 512).Cut(batch);

        Assert.Equal(1, pieces.Length);
        Assert.Same(batch, pieces[0]);
    }

    [Fact]
    public void One_stage_gets_every_batch_whole()
    {
        var batch = new StepBatch(8192, 1, 1);
        batch.Add(0, [0], start: 0, new int[8192], LogitsWanted.Last);

        Assert.Same(batch, new BatchPieces(1, 8192, 1, 1).Cut(batch)[0]);
    }

    private static StepBatch RandomBatch(Random random, int maxRows)
    {
        var batch = new StepBatch(maxRows, 64, maxRows) { NeedsCandidates = random.Next(2) == 0 };
        for (var slot = 0; slot < 64 && batch.FreeRows > 0; slot++)
        {
            var rows = random.Next(3) == 0 ? 1 : random.Next(1, Math.Min(batch.FreeRows, 3000) + 1);
            var tokens = Enumerable.Range(0, rows).Select(_ => random.Next(1000)).ToArray();
            batch.Add(slot, [slot], random.Next(500), tokens, (LogitsWanted)random.Next(3));
        }

        return batch;
    }

    private static IEnumerable<(int Slot, int Position, int Token)> RowsOf(StepBatch batch) => Enumerable.Range(0, batch.RowCount)
        .Select(row => (batch.Sequences[batch.SequenceOfRow[row]].Slot, batch.Positions[row], batch.Tokens[row]));

    private static IEnumerable<(int Slot, int Position)> WantedOf(StepBatch batch) => batch.LogitsRows.ToArray()
        .Select(row => (batch.Sequences[batch.SequenceOfRow[row]].Slot, batch.Positions[row]));

    private static void AssertCutAtPages(StepBatch batch, StepBatch[] pieces)
    {
        var ends = batch.Sequences.ToArray().ToDictionary(sequence => sequence.Slot, sequence => sequence.Start + sequence.RowCount);
        foreach (var sequence in pieces.SelectMany(piece => piece.Sequences.ToArray()))
        {
            var end = sequence.Start + sequence.RowCount;
            Assert.True(end % StateShape.PageTokens == 0 || end == ends[sequence.Slot], $"Slot {sequence.Slot} is cut at {end}.");
        }
    }
}
