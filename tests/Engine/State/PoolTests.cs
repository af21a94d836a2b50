using Loire.Engine.State;

namespace Loire.Engine.Tests.State;

public sealed class PoolTests
{
    [Theory]
    [InlineData(0, 0)]
    [InlineData(1, 1)]
    [InlineData(64, 1)]
    [InlineData(65, 2)]
    [InlineData(int.MaxValue, 33_554_432)]
    public void Pages_AreCountedUpTo32Bits(int tokens, int pages) => Assert.Equal(pages, PagePool.PagesFor(tokens));

    [Fact]
    public void TryGrow_WithTooFewPages_LeasesNone()
    {
        var pool = new PagePool(pages: 2);
        List<int> pageTable = [];

        Assert.False(pool.TryGrow(pageTable, tokens: (2 * StateShape.PageTokens) + 1));

        Assert.Empty(pageTable);
        Assert.Equal(2, pool.Free);
    }

    [Fact]
    public void APageThatASnapshotHolds_IsNotFreeWhenItsSequenceEnds()
    {
        var pool = new PagePool(pages: 3);
        List<int> pageTable = [];
        Assert.True(pool.TryGrow(pageTable, tokens: 100));
        int[] held = [.. pageTable];

        pool.Hold(held);
        pool.Release(held);

        Assert.Equal(1, pool.Free);
        pool.Release(held);
        Assert.Equal(3, pool.Free);
        pool.Audit();
    }

    [Fact]
    public void ReleasingTwice_IsLoud()
    {
        var pages = new PagePool(pages: 1);
        var slots = new SlotPool(slots: 1);
        Assert.True(slots.TryLease(out var slot));
        slots.Release(slot);

        Assert.Throws<InvalidOperationException>(() => pages.Release([0]));
        Assert.Throws<InvalidOperationException>(() => slots.Release(slot));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void AnyOrderOfGrowHoldAndRelease_LosesNoPage(int seed)
    {
        var random = new Random(seed);
        var pool = new PagePool(pages: 64);
        var sequences = Enumerable.Range(0, 8).Select(_ => new List<int>()).ToArray();
        var held = new List<int[]>();
        for (var step = 0; step < 2_000; step++)
        {
            var sequence = sequences[random.Next(sequences.Length)];
            switch (random.Next(5))
            {
                case 0:
                    pool.Release(sequence.ToArray());
                    sequence.Clear();
                    break;
                case 1:
                    held.Add([.. sequence]);
                    pool.Hold(held[^1]);
                    break;
                case 2 when held.Count > 0:
                    pool.Release(held[0]);
                    held.RemoveAt(0);
                    break;
                default:
                    pool.TryGrow(sequence, (sequence.Count * StateShape.PageTokens) + random.Next(1, 200));
                    break;
            }

            pool.Audit();
        }

        held.ForEach(pages => pool.Release(pages));
        Array.ForEach(sequences, sequence => pool.Release(sequence.ToArray()));
        Assert.Equal(64, pool.Free);
    }
}
