using Loire.Engine.Links;
using Loire.Engine.Models;
using Loire.Engine.Replica;
using Loire.Engine.Sampling;
using Loire.Engine.Tests.Replica;
using Loire.Engine.Tests.Weights;

namespace Loire.Engine.Tests.Links;

/// <summary>The demo model through the step loop with its parts on several silos.</summary>
public sealed class SplitReplicaTests
{
    private static readonly EngineOptions s_options = new() { Threads = 1, Slots = 8, KeyValueTokens = 8192, MaxTokensPerStep = 128 };

    private readonly ModelFolder _model = ModelFolder.Open(RepositoryPaths.DemoModel);

    public static TheoryData<int[], int[]> Places => new()
    {
        { [0, 1], [0] },
        { [0], [0, 1, 2] },
        { [0, 1], [0, 1, 2] },
    };

    [Theory]
    [MemberData(nameof(Places))]
    public async Task ManySequencesAtOnce_GetTheTokensOfOneSilo(int[] stages, int[] shards)
    {
        await using var whole = new SplitReplica(_model, [0], [0]);
        await using var split = new SplitReplica(_model, stages, shards);
        var (one, many) = (whole.Join(s_options), split.Join(s_options));
        var prompts = new[] { 1, 5, 67, 130, 300 }.Select((length, seed) => Prompt(seed, length)).ToArray();

        var expected = await Task.WhenAll(prompts.Select(prompt => AnswerAsync(one, prompt, 24)));
        var found = await Task.WhenAll(prompts.Select(prompt => AnswerAsync(many, prompt, 24)));

        Assert.Equal(expected, found);
        await AssertIdleAsync(many);
    }

    [Fact]
    public async Task AState_GoesFromASplitReplicaToAWholeOneAndBack()
    {
        await using var whole = new SplitReplica(_model, [0], [0]);
        await using var split = new SplitReplica(_model, [0, 1], [1, 0]);
        var (one, many) = (whole.Join(s_options), split.Join(s_options));
        var prompt = Prompt(3, 200);
        var expected = await AnswerAsync(one, prompt, 40);

        var (first, afterFirst) = await PieceAsync(many, prompt, 10, restore: null);
        var (second, afterSecond) = await PieceAsync(one, [.. prompt, .. first], 10, afterFirst);
        var (third, _) = await PieceAsync(many, [.. prompt, .. first, .. second], 20, afterSecond);

        Assert.Equal(expected, first.Concat(second).Concat(third));
        await AssertIdleAsync(many);
        await AssertIdleAsync(one);
    }

    [Theory]
    [InlineData(0, 1)] // away from home
    [InlineData(1, 2)]
    [InlineData(2, 0)] // back to it
    public async Task AShardThatMovesUnderLoad_ChangesNoToken(int from, int to)
    {
        await using var whole = new SplitReplica(_model, [0], [0]);
        await using var split = new SplitReplica(_model, [0, 1], [0, from, 2]);
        var (one, many) = (whole.Join(s_options), split.Join(s_options));
        var prompts = Enumerable.Range(0, 4).Select(seed => Prompt(seed, 20 + (31 * seed))).ToArray();
        var expected = await Task.WhenAll(prompts.Select(prompt => AnswerAsync(one, prompt, 120)));

        var answers = prompts.Select(prompt => AnswerAsync(many, prompt, 120)).ToArray();
        var moved = split.Shards[1];
        var target = split.Shard(to, number: 9, moved.FirstExpert, moved.EndExpert);
        await many.RouteAsync(moved, target);
        split.Silos[from].Remove("shard 1");
        moved.Dispose(); // whoever used it still would fail

        Assert.Equal(expected, await Task.WhenAll(answers));
        var load = new long[target.EndExpert - target.FirstExpert];
        target.CopyLoad(load);
        Assert.True(load.Sum() > 0);
        await AssertIdleAsync(many);
    }

    [Theory]
    [InlineData("stage 1")]
    [InlineData("shard 1")]
    public async Task ALinkThatIsCutInTheMiddle_FailsEverySequenceByNameAndLeaksNothing(string part)
    {
        await using var split = new SplitReplica(_model, [0, 1], [0, 1]);
        var engine = split.Join(s_options);
        var first = engine.Start(Request(Prompt(1, 30), 4000));
        var second = engine.Start(Request(Prompt(2, 300), 4000));
        var resident = engine.Start(Request(Prompt(3, 30), 3));
        await resident.Finished;
        await resident.ReleaseAsync("kept");
        await ReadOneAsync(first);
        var snapshot = await first.SnapshotAsync(0, CancellationToken.None);

        split.Silos[1].Remove(part);

        var lost = await Assert.ThrowsAsync<PartLostException>(() => first.Finished);
        Assert.Contains(split.Silos[1].Address, lost.Message, StringComparison.Ordinal);
        await Assert.ThrowsAsync<PartLostException>(() => second.Finished);
        Assert.NotNull(engine.Lost);
        var late = engine.Start(Request(Prompt(4, 5), 5));
        await Assert.ThrowsAsync<PartLostException>(() => late.Finished);
        await late.ReleaseAsync(null);
        await first.ReleaseAsync("not kept");
        await second.ReleaseAsync(null);
        snapshot.Dispose();
        Assert.False(engine.IsResident("kept"));
        await AssertIdleAsync(engine);
    }

    private static SequenceRequest Request(int[] prompt, int count) => new() { Tokens = prompt, Sampling = SamplingSettings.Greedy, MaxNewTokens = count };

    private int[] Prompt(int seed, int length)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, length).Select(_ => random.Next(3, _model.Graph.VocabularySize))];
    }

    private static async Task<int[]> AnswerAsync(IReplicaEngine engine, int[] prompt, int count)
    {
        var sequence = engine.Start(Request(prompt, count));
        var tokens = await ReadAsync(sequence);
        await sequence.ReleaseAsync(null);
        return tokens;
    }

    /// <summary>Generates on from a stored state, and stores the state that covers all but the last token.</summary>
    private static async Task<(int[] Tokens, StoredState State)> PieceAsync(IReplicaEngine engine, int[] prompt, int count, StoredState? restore)
    {
        var sequence = engine.Start(Request(prompt, count) with { Restore = restore?.Restore });
        var tokens = await ReadAsync(sequence);
        using var snapshot = await sequence.SnapshotAsync(0, CancellationToken.None);
        Assert.Equal(restore?.TokenCount ?? 0, (await sequence.Started).CachedTokens);
        var state = new StoredState(snapshot);
        await sequence.ReleaseAsync(null);
        return (tokens, state);
    }

    private static async Task<int[]> ReadAsync(ISequence sequence)
    {
        var (tokens, buffer) = (new List<int>(), new GeneratedToken[16]);
        while (await sequence.ReadAsync(buffer, CancellationToken.None) is > 0 and var count)
        {
            tokens.AddRange(buffer.Take(count).Select(token => token.Id));
        }

        await sequence.Finished;
        return [.. tokens];
    }

    private static async Task ReadOneAsync(ISequence sequence) => Assert.Equal(1, await sequence.ReadAsync(new GeneratedToken[1], CancellationToken.None));

    private static async Task AssertIdleAsync(IReplicaEngine engine)
    {
        await ((ReplicaEngine)engine).AuditAsync();
        await ((ReplicaEngine)engine).AuditAsync(); // releases of snapshots were asked for before
        Assert.Equal((0, 0), (engine.Load.SlotsInUse, engine.Load.PagesInUse));
    }
}
