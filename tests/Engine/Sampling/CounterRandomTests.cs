using Loire.Engine.Sampling;

namespace Loire.Engine.Tests.Sampling;

public sealed class CounterRandomTests
{
    /// <summary>The known answers that the authors of Philox publish with their library.</summary>
    [Theory]
    [InlineData(0x00000000, 0x00000000, 0x00000000, 0x00000000, 0x00000000, 0x00000000, 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8)]
    [InlineData(0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd)]
    [InlineData(0xa4093822, 0x299f31d0, 0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344, 0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1)]
    public void Philox_gives_the_known_answers(uint key0, uint key1, uint c0, uint c1, uint c2, uint c3, uint x0, uint x1, uint x2, uint x3) =>
        Assert.Equal((x0, x1, x2, x3), CounterRandom.Philox(key0, key1, c0, c1, c2, c3));

    [Fact]
    public void Seed_position_and_lane_all_matter()
    {
        double[] draws =
        [
            CounterRandom.Uniform(1, 1), CounterRandom.Uniform(2, 1), CounterRandom.Uniform(1, 2), CounterRandom.Uniform(1, 1, 1),
            CounterRandom.Uniform(1UL << 32, 1), CounterRandom.Uniform(1, 1UL << 32),
        ];

        Assert.Equal(draws.Length, draws.Distinct().Count());
        Assert.Equal(draws[0], CounterRandom.Uniform(1, 1));
    }

    [Fact]
    public void Draws_are_uniform()
    {
        const int cells = 64;
        const int draws = 64_000;
        var counts = new int[cells];
        for (var i = 0; i < draws; i++)
        {
            var draw = CounterRandom.Uniform(seed: 42, (ulong)i);
            Assert.InRange(draw, 0, 1 - (1.0 / (1UL << 53)));
            counts[(int)(draw * cells)]++;
        }

        ChiSquare.AssertFits(counts, [.. Enumerable.Repeat(1.0 / cells, cells)]);
    }
}
