using System.Text.Json;
using Loire.Engine.Models;
using Loire.Engine.Replica;
using Loire.Engine.Sampling;
using Loire.Engine.Tests.Replica;
using Loire.Engine.Tests.Weights;
using Loire.Kernels;
using Loire.Text;

namespace Loire.Gpu.Tests.Engine;

/// <summary>The demo model's conversations through the step loop on a GPU: together, in pieces, and with their state moved between GPU and CPU.</summary>
public sealed class ConversationTests
{
    private static readonly EngineOptions Sizes = new() { Slots = 8, KeyValueTokens = 4096 };

    [GpuTheory]
    [InlineData(ElementType.BFloat16)]
    [InlineData(ElementType.Float32)]
    public async Task The_reference_conversations_come_out_token_by_token_all_together(ElementType type)
    {
        await using var engine = OnGpu(type);

        await Task.WhenAll(Conversations().Select(ids => AssertAnswersAsync(ids, engine, engine)));
        await AuditAsync(engine);
    }

    [GpuTheory]
    [MemberData(nameof(CutTests.Cuts), MemberType = typeof(CutTests))]
    public async Task They_come_out_token_by_token_however_the_model_is_cut(string cut)
    {
        await using var engine = OnGpu(ElementType.BFloat16, cut);

        await Task.WhenAll(Conversations().Select(ids => AssertAnswersAsync(ids, engine, engine)));
        await AuditAsync(engine);
    }

    [GpuFact]
    public async Task They_come_out_alike_when_every_turn_goes_to_a_model_that_is_cut_otherwise()
    {
        await using var stages = OnGpu(ElementType.BFloat16, "0,1");
        await using var heads = OnGpu(ElementType.BFloat16, "0+1");

        await Task.WhenAll(Conversations().Select(ids => AssertAnswersAsync(ids, stages, heads)));
        await AuditAsync(stages);
        await AuditAsync(heads);
    }

    [GpuFact]
    public async Task They_come_out_alike_when_every_turn_goes_from_gpu_to_cpu_and_back()
    {
        await using var gpu = OnGpu(ElementType.BFloat16);
        var model = Model();
        using var stage = CpuReplica.LoadStage(model, 0, model.Graph.Layers.Length);
        using var shard = CpuReplica.LoadShard(model, 0, 8);
        await using var cpu = CpuReplica.Join(model, [stage], [shard], Sizes);

        await Task.WhenAll(Conversations().Select(ids => AssertAnswersAsync(ids, gpu, cpu)));
        await AuditAsync(gpu);
    }

    [GpuFact]
    public async Task A_snapshot_that_is_taken_while_others_decode_is_of_its_step()
    {
        await using var engine = OnGpu(ElementType.BFloat16);
        var ids = Conversations()[0];
        var others = Enumerable.Range(0, 4).Select(i => Start(engine, [i + 3, 40, 50], 200)).ToArray();
        var reading = others.Select(ReadAsync).ToArray();
        var whole = Start(engine, ids[..100], 8);
        var expected = await ReadAsync(whole);
        await whole.ReleaseAsync(null);
        var first = Start(engine, ids[..90], 1);
        await ReadAsync(first);
        using var snapshot = await first.SnapshotAsync(0, CancellationToken.None);
        var stored = new StoredState(snapshot);
        await first.ReleaseAsync(null);

        var moved = Start(engine, ids[..100], 8, stored.Restore);

        Assert.Equal(expected.Select(token => token.Id), (await ReadAsync(moved)).Select(token => token.Id));
        Assert.Equal(90, (await moved.Started).CachedTokens);
        await Task.WhenAll(reading);
        foreach (var sequence in others.Append(moved))
        {
            await sequence.ReleaseAsync(null);
        }

        await AuditAsync(engine);
    }

    /// <summary>Turns are answered by the two engines in turn; where they differ, the state goes from one to the other.</summary>
    private static async Task AssertAnswersAsync(int[] ids, IReplicaEngine odd, IReplicaEngine even)
    {
        var model = Model();
        var tokenizer = Tokenizer.Load(Path.Combine(RepositoryPaths.DemoModel, "tokenizer.json"));
        var assistant = tokenizer.Encode("<|im_start|>assistant\n");
        var end = tokenizer.IdOf("<|im_end|>")!.Value;
        StoredState? stored = null;
        var turn = 0;
        for (var at = 0; at + assistant.Length < ids.Length; at++)
        {
            if (!ids.AsSpan(at, assistant.Length).SequenceEqual(assistant))
            {
                continue;
            }

            var from = at + assistant.Length;
            var until = Array.IndexOf(ids, end, from);
            var sequence = (turn++ % 2 == 0 ? odd : even).Start(new SequenceRequest
            {
                Tokens = ids[..from],
                Sampling = SamplingSettings.Greedy,
                MaxNewTokens = 60,
                EndTokens = [.. model.Graph.EndTokens],
                Restore = stored?.Restore,
            });

            Assert.Equal(ids[from..(until + 1)], (await ReadAsync(sequence)).Select(token => token.Id));
            using (var snapshot = await sequence.SnapshotAsync(0, CancellationToken.None))
            {
                stored = new StoredState(snapshot);
            }

            await sequence.ReleaseAsync(null);
        }
    }

    private static ModelFolder Model() => ModelFolder.Open(RepositoryPaths.DemoModel);

    private static IReplicaEngine OnGpu(ElementType type, string cut = "0")
    {
        var model = Model();
        return CudaReplica.Load(model, Sizes, new CudaOptions { Type = type, Plan = CutTests.PlanOf(model, cut) });
    }

    private static Task AuditAsync(IReplicaEngine engine) => ((ReplicaEngine)engine).AuditAsync();

    private static ISequence Start(IReplicaEngine engine, int[] tokens, int count, StateRestore? restore = null) =>
        engine.Start(new SequenceRequest { Tokens = tokens, Sampling = SamplingSettings.Greedy, MaxNewTokens = count, Restore = restore });

    private static List<int[]> Conversations()
    {
        using var reference = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(RepositoryPaths.DemoModel, "reference.json")));
        return [.. reference.RootElement.GetProperty("conversations").EnumerateArray()
            .Select(conversation => conversation.GetProperty("ids").EnumerateArray().Select(id => id.GetInt32()).ToArray())];
    }

    private static async Task<List<GeneratedToken>> ReadAsync(ISequence sequence)
    {
        var buffer = new GeneratedToken[16];
        var tokens = new List<GeneratedToken>();
        for (int count; (count = await sequence.ReadAsync(buffer, CancellationToken.None)) > 0;)
        {
            tokens.AddRange(buffer.AsSpan(0, count));
        }

        return tokens;
    }
}
