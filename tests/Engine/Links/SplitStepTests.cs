using Loire.Engine.Backends;
using Loire.Engine.Backends.Cpu;
using Loire.Engine.Models;
using Loire.Engine.State;
using Loire.Engine.Tests.Backends;
using Loire.Engine.Tests.Models;
using Loire.Engine.Tests.Weights;
using Loire.Engine.Weights;

namespace Loire.Engine.Tests.Links;

/// <summary>Placement decides the cost, never the meaning: the same bits, wherever stages and experts are.</summary>
public sealed class SplitStepTests
{
    private static readonly BackendSizes s_sizes = new(Slots: 4, Pages: 64, MaxRows: 128, MaxLogitsRows: 8, Threads: 1);

    public static TheoryData<int[], int[]> Places => new()
    {
        { [0, 1], [0] }, // stages on two silos
        { [0], [0, 1, 2] }, // experts on three
        { [0, 1], [0, 1, 2] }, // both
        { [0, 1], [2, 2] }, // no expert at home
        { [0, 1, 0, 2], [1, 0, 2, 1] }, // home in between
    };

    [Theory]
    [MemberData(nameof(Places))]
    public async Task Logits_AreTheSameToTheBit(int[] stages, int[] shards)
    {
        using var folder = new TemporaryFolder();
        var config = MiniMaxConfigs.Transformers();
        config["num_hidden_layers"] = 4;
        config["layer_types"] = new System.Text.Json.Nodes.JsonArray("linear_attention", "full_attention", "linear_attention", "full_attention");
        var model = RandomModel.Write(folder, config, seed: 7, TensorType.BF16);
        await AssertSameAsync(model, stages, shards);
    }

    [Theory]
    [InlineData("sigmoid")]
    [InlineData("softmax")]
    public async Task ASharedExpertAndManyChoices_AreTheSameToTheBit(string mode)
    {
        using var folder = new TemporaryFolder();
        var config = MiniMaxConfigs.Vendor();
        config["num_experts_per_tok"] = 3;
        config["shared_intermediate_size"] = 96;
        config["shared_moe_mode"] = mode;
        await AssertSameAsync(RandomModel.Write(folder, config, seed: 8, TensorType.F32), [0, 1], [1, 0, 2]);
    }

    [Fact]
    public async Task DenseLayers_NeedNoShard()
    {
        using var folder = new TemporaryFolder();
        var config = MiniMaxConfigs.Vendor();
        config["num_local_experts"] = 1;
        config["num_experts_per_tok"] = 1;
        await AssertSameAsync(RandomModel.Write(folder, config, seed: 9, TensorType.BF16), [0, 1], [0]);
    }

    private static async Task AssertSameAsync(ModelFolder model, int[] stages, int[] shards)
    {
        await using var whole = new SplitReplica(model, [0], [0]);
        await using var split = new SplitReplica(model, stages, shards);
        var (one, many) = (whole.Backend(s_sizes), split.Backend(s_sizes));
        Assert.Equal(one.State.Recurrent.ToArray(), many.State.Recurrent.ToArray());
        Assert.Equal(one.State.KeyValue.ToArray(), many.State.KeyValue.ToArray());

        var random = new Random(5);
        var batch = new StepBatch(s_sizes.MaxRows, s_sizes.Slots, s_sizes.MaxLogitsRows);
        var (start, pages) = (new int[4], Enumerable.Range(0, 4).Select(_ => new List<int>()).ToArray());
        var next = 0;

        // Sequences in different phases: one begins while another is deep in its prompt and a third decodes.
        foreach (var counts in new int[][] { [1], [5], [67], [1, 67, 5], [1, 1, 1], [60, 1, 1, 64], [1, 1, 1, 1] })
        {
            batch.Clear();
            for (var sequence = 0; sequence < counts.Length; sequence++)
            {
                while (pages[sequence].Count < PagePool.PagesFor(start[sequence] + counts[sequence]))
                {
                    pages[sequence].Add(next++ * 37 % s_sizes.Pages);
                }

                var tokens = Enumerable.Range(0, counts[sequence]).Select(_ => random.Next(model.Graph.VocabularySize)).ToArray();
                batch.Add(sequence, pages[sequence], start[sequence], tokens, sequence == 2 && counts[sequence] <= 5 ? LogitsWanted.All : LogitsWanted.Last);
                start[sequence] += counts[sequence];
            }

            one.Run(batch);
            many.Run(batch);
            for (var i = 0; i < batch.LogitsCount; i++)
            {
                Assert.Equal(one.Logits(i), many.Logits(i));
            }
        }

        AssertSameState(one, many, pages, start);
    }

    private static void AssertSameState(CpuBackend one, CpuBackend many, List<int>[] pages, int[] tokens)
    {
        for (var slot = 0; slot < 4; slot++)
        {
            foreach (var (layer, bytes) in one.State.Recurrent)
            {
                var (expected, found) = (new byte[bytes], new byte[bytes]);
                one.ReadRecurrent(layer, slot, expected);
                many.ReadRecurrent(layer, slot, found);
                Assert.Equal(expected, found);
            }

            foreach (var (layer, perToken) in one.State.KeyValue)
            {
                var last = Math.Min(tokens[slot], StateShape.PageTokens);
                var (expected, found) = (new byte[last * perToken], new byte[last * perToken]);
                one.ReadKeyValues(layer, pages[slot][0], last, expected);
                many.ReadKeyValues(layer, pages[slot][0], last, found);
                Assert.Equal(expected, found);
            }
        }
    }
}
