using Loire.Engine.Replica;
using Loire.Engine.Sampling;

namespace Loire.Engine.Tests.Replica;

/// <remarks>What is particular to steps that are enqueued while others are under way.</remarks>
public abstract partial class ReplicaEngineTests
{
    [Fact]
    public async Task StepsThatFollowUnseenTokens_LeaveNoTrace_WhereTheyLeadNowhere()
    {
        var backend = NewBackend(8, 64);
        await using var engine = new ReplicaEngine(backend, 4096, Options, null);
        var prompts = Enumerable.Range(0, 8).Select(i => Prompt(i, 3 + (9 * i))).ToArray();
        var expected = prompts.Select(prompt => HashingBackend.Alone(prompt, 120)).ToArray();
        var sequences = prompts.Select((prompt, i) => engine.Start(Request(prompt, 120) with { EndTokens = [expected[i][60]] })).ToArray();

        for (var i = 0; i < sequences.Length; i++)
        {
            var generated = await ReadAsync(sequences[i]);
            Assert.Equal(expected[i][..(Array.IndexOf(expected[i], expected[i][60]) + 1)], generated);
            await sequences[i].ReleaseAsync($"turn-{i}");
        }

        for (var i = 0; i < sequences.Length; i++)
        {
            int[] next = [.. prompts[i], .. expected[i][..(Array.IndexOf(expected[i], expected[i][60]) + 1)], 4, 2];
            Assert.Equal(HashingBackend.Alone(next, 5), await EndAsync(engine, Request(next, 5) with { ResidentKey = $"turn-{i}" }));
        }

        Assert.Equal(mostUnderWay > 1, backend.Followed.All > 100);
        Assert.Equal(mostUnderWay > 1, backend.Followed.Void > 0);
        await AssertIdleAsync(engine);
    }

    [Fact]
    public async Task TheOldest_GetsOn_HoweverManyComeAfterIt_AndTakeItsPages()
    {
        const int Long = 400;
        var (steps, last, longest) = (0, 0, 0);
        var first = Prompt(50, 60);
        var backend = NewBackend(8, 8);
        backend.OnRun = batch =>
        {
            steps++;
            foreach (var sequence in batch.Sequences)
            {
                if (sequence.Start >= 130) // no other comes as far
                {
                    (longest, last) = (last == 0 ? 0 : Math.Max(longest, steps - last), steps);
                }
            }
        };
        await using var engine = new ReplicaEngine(backend, 4096, Options, null);
        var oldest = RunAsync(engine, first, Long);
        var others = Enumerable.Range(0, 4).Select(async client =>
        {
            for (var i = 0; !oldest.IsCompleted; i++)
            {
                await RunAsync(engine, Prompt((100 * client) + i, 40 + ((i * 13) % 20)), 1 + ((i * 7) % 60));
            }
        }).ToArray();

        Assert.Equal(HashingBackend.Alone(first, Long), (await oldest).Generated);
        await Task.WhenAll(others);
        Assert.InRange(longest, 1, 64);
        await AssertIdleAsync(engine);
    }

    [Fact]
    public async Task ASampledSequence_IsNotFollowed_WhereTheBackendDoesNotDraw()
    {
        var backend = NewBackend(2, 16, canDraw: false);
        await using var engine = new ReplicaEngine(backend, 4096, Options, null);

        await EndAsync(engine, Request(Prompt(8, 30), 40) with { Sampling = new SamplingSettings { Temperature = 1, Seed = 3 } });

        Assert.Equal((0, 0), backend.Followed);
        await AssertIdleAsync(engine);
    }

    [Fact]
    public async Task ASequenceThatTheHostHasToChooseFor_WaitsForItsSteps_AndGeneratesTheSame()
    {
        await using var engine = Engine(slots: 6, pages: 64);
        var penalised = Request(Prompt(3, 30), 60) with { Sampling = new SamplingSettings { FrequencyPenalty = 0.1f } };
        var alone = await EndAsync(engine, penalised);

        var plain = Enumerable.Range(0, 4).Select(i => RunAsync(engine, Prompt(i, 20 + i), 100)).ToArray();
        Assert.Equal(alone, await EndAsync(engine, penalised));
        foreach (var (prompt, generated) in await Task.WhenAll(plain))
        {
            Assert.Equal(HashingBackend.Alone(prompt, 100), generated);
        }

        await AssertIdleAsync(engine);
    }
}

/// <summary>Each step is waited for.</summary>
public sealed class StepByStepTests() : ReplicaEngineTests(mostUnderWay: 1, turns: 1);

/// <summary>A step is enqueued behind the one that runs, with tokens that it chooses.</summary>
public sealed class OneStepAheadTests() : ReplicaEngineTests(mostUnderWay: 2, turns: 1);

/// <summary>Two halves of the sequences take turns, as over two stages.</summary>
public sealed class TwoTurnsTests() : ReplicaEngineTests(mostUnderWay: 3, turns: 2);

/// <summary>Four of them.</summary>
public sealed class FourTurnsTests() : ReplicaEngineTests(mostUnderWay: 5, turns: 4);
