using Loire.Engine.Models;
using Loire.Engine.Placement;
using Loire.Engine.Replica;
using Loire.Engine.Sampling;
using Loire.Engine.Tests.Weights;
using Loire.Kernels;

namespace Loire.Gpu.Tests.Engine;

/// <summary>Shards on GPUs say how many tokens went to each of their experts: all that were fed, and no others.</summary>
public sealed class ExpertLoadTests
{
    public static TheoryData<string> Cuts => ["0", "0+1", "0,1", "0,1+2"];

    [GpuTheory]
    [MemberData(nameof(Cuts))]
    public async Task Each_token_that_is_fed_counts_once_for_each_choice_of_each_layer_however_the_model_is_cut(string cut)
    {
        var model = ModelFolder.Open(RepositoryPaths.DemoModel);
        var plan = CutTests.PlanOf(model, cut);
        var cuda = new CudaOptions { Plan = plan, Type = ElementType.Float32 }; // a row's bits hardly depend on its step: the second time the same token comes
        ICpuShard[] shards = [.. plan.Gpus.Select((_, gpu) => CudaReplica.LoadShard(model, plan, gpu, cuda))];
        void AssertCounted(long tokens) => Assert.Equal(
            plan.Stages.Select(stage => tokens * ChoicesOf(model.Graph, stage)),
            plan.Stages.Select(stage => plan.Gpus.Zip(shards).Where(gpu => gpu.First.Stage == stage).Sum(gpu => SumOf(gpu.Second))));

        await using var engine = CudaReplica.Load(model, new EngineOptions { Slots = 8, KeyValueTokens = 4096 }, cuda, shards: shards);
        AssertCounted(0); // the warm-up is nobody's

        // Three at a time: their steps are padded to four. The host chooses some of the third's tokens.
        SamplingSettings[] settings = [SamplingSettings.Greedy, new() { Temperature = 1, Seed = 2 }, new() { Temperature = 0.9f, FrequencyPenalty = 0.5f, Seed = 3 }];
        var answers = await Task.WhenAll(settings.Select((sampling, i) => AnswerAsync(engine, i, sampling, ends: [])));
        var fed = answers.Select((answer, i) => PromptOf(i) + answer.Length - 1L).Sum(); // the last one is not fed
        AssertCounted(fed);

        // A step behind the end is under way when the end is seen.
        var end = answers[0][answers[0].Length / 2];
        var ended = await Task.WhenAll(settings.Select((_, i) => AnswerAsync(engine, i, SamplingSettings.Greedy, [end])));
        Assert.Equal(end, ended[0][^1]);
        fed += ended.Select((answer, i) => PromptOf(i) + answer.Length - 1L).Sum();
        AssertCounted(fed);

        await engine.DisposeAsync();
        AssertCounted(fed);
    }

    [GpuFact]
    public async Task They_are_read_while_steps_run_and_only_grow()
    {
        var model = ModelFolder.Open(RepositoryPaths.DemoModel);
        var plan = CutTests.PlanOf(model, "0");
        var cuda = new CudaOptions { Plan = plan };
        var shard = CudaReplica.LoadShard(model, plan, 0, cuda);
        await using var engine = CudaReplica.Load(model, new EngineOptions { Slots = 8, KeyValueTokens = 4096 }, cuda, shards: [shard]);

        var answer = AnswerAsync(engine, 0, SamplingSettings.Greedy, ends: [], count: 400);
        var before = 0L;
        while (!answer.IsCompleted)
        {
            var now = SumOf(shard);
            Assert.True(now >= before, $"{now} after {before}.");
            before = now;
            await Task.Yield();
        }

        await answer;
        Assert.Equal((PromptOf(0) + 399L) * ChoicesOf(model.Graph, plan.Stages[0]), SumOf(shard));
    }

    private static int PromptOf(int number) => 40 + number;

    private static async Task<int[]> AnswerAsync(IReplicaEngine engine, int number, SamplingSettings sampling, int[] ends, int count = 60)
    {
        var ids = Numbers.Integers(seed: 30 + number, PromptOf(number), engine.Shape.VocabularySize);
        var sequence = engine.Start(new SequenceRequest { Tokens = ids, Sampling = sampling, MaxNewTokens = count, EndTokens = ends });
        var buffer = new GeneratedToken[16];
        var tokens = new List<int>();
        for (int read; (read = await sequence.ReadAsync(buffer, CancellationToken.None)) > 0;)
        {
            tokens.AddRange(buffer.Take(read).Select(token => token.Id));
        }

        await sequence.ReleaseAsync(null);
        return [.. tokens];
    }

    private static long ChoicesOf(ModelGraph graph, GpuStagePlan stage) =>
        graph.Layers.AsSpan()[stage.FirstLayer..stage.EndLayer].ToArray().Sum(layer => (layer.FeedForward as MoeSpec)?.TopK ?? 0);

    private static long SumOf(ICpuShard shard)
    {
        var load = new long[shard.EndExpert - shard.FirstExpert];
        shard.CopyLoad(load);
        return load.Sum();
    }
}
