using Loire.Engine.Scheduling;

namespace Loire.Engine.Tests.Scheduling;

public sealed class StepSchedulerTests
{
    private static readonly Candidate Decode = new(Position: 500, PromptLeft: 1, IsDecoding: true, IsPaused: false);

    [Fact]
    public void APromptAlone_TakesTheStep_UpToAMultipleOfAChunk()
    {
        Assert.Equal([64], Plan([Prompt(500)]));
        Assert.Equal([94], Plan([Prompt(500) with { Position = 34 }]));
        Assert.Equal([100], Plan([Prompt(100)]));
    }

    [Fact]
    public void BesideDecode_PromptsShareTheCap_TheOldestFirst() =>
        Assert.Equal([1, 30, 40, 1], Plan([Decode, Prompt(30), Prompt(500) with { Position = 24 }, Decode]));

    [Fact]
    public void AStepWithoutRoomForAChunk_TakesWhatFits_SoThatNoPromptStarves() =>
        Assert.Equal([20, .. Enumerable.Repeat(1, 80)], Plan([Prompt(500), .. Enumerable.Repeat(Decode, 80)]));

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void WhoeverSharesItsSteps_APromptIsCutAtTheSameMultiples(int seed)
    {
        var random = new Random(seed);
        for (var round = 0; round < 200; round++)
        {
            var (position, left) = (random.Next(200), random.Next(2, 1_000));
            while (left > 1)
            {
                var company = Enumerable.Repeat(Decode, random.Next(30)).Append(Prompt(random.Next(2, 300))).ToArray();
                var count = Plan([Prompt(left) with { Position = position }, .. company])[0];
                (position, left) = (position + count, left - count);

                Assert.True(left == 0 || position % StepScheduler.PieceAlignment == 0, $"cut at {position}");
            }
        }
    }

    [Fact]
    public void PausedSequences_AreLeftOut() =>
        Assert.Equal([0, 1, 0], Plan([Decode with { IsPaused = true }, Decode, Prompt(7) with { IsPaused = true }]));

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void NoPlanExceedsTheStep_AndEveryDecodeRowThatFitsIsIn(int seed)
    {
        var random = new Random(seed);
        for (var round = 0; round < 1_000; round++)
        {
            var candidates = Enumerable.Range(0, random.Next(1, 150)).Select(_ => random.Next(3) switch
            {
                0 => Decode,
                1 => Decode with { IsPaused = true },
                _ => Prompt(random.Next(2, 300)),
            }).ToArray();

            var counts = Plan(candidates);

            Assert.InRange(counts.Sum(), 0, 100);
            Assert.All(candidates.Zip(counts), pair => Assert.InRange(pair.Second, 0, pair.First.IsPaused ? 0 : pair.First.PromptLeft));
            var decodes = candidates.Count(candidate => candidate is { IsDecoding: true, IsPaused: false });
            Assert.Equal(Math.Min(decodes, 100), candidates.Zip(counts).Where(pair => pair.First.IsDecoding).Sum(pair => pair.Second));
        }
    }

    private static Candidate Prompt(int left) => new(Position: 0, left, IsDecoding: false, IsPaused: false);

    private static int[] Plan(Candidate[] candidates)
    {
        var counts = new int[candidates.Length];
        new StepScheduler(maxRows: 100, maxPromptRowsBesideDecode: 70).Plan(candidates, counts);
        return counts;
    }
}
