using System.Text.Json.Nodes;
using Loire.Engine.Models;
using Loire.Engine.Replica;
using Loire.Engine.Tests.Models;
using Loire.Engine.Tests.Weights;
using Loire.Engine.Weights;

namespace Loire.Engine.Tests.Backends;

/// <summary>The forward pass against published references and against plain loops.</summary>
public sealed class ForwardTests
{
    /// <summary>fp32 throughout: the references' own rounding is near 1e-6.</summary>
    private const double Tolerance = 1e-4;

    public static TheoryData<string, int, int> Cuts => new()
    {
        { "minimax", 1, 1 },
        { "minimax", 2, 4 },
        { "minimax", 8, 8 },
        { "minimax", 3, 5 },
        { "minimax_text01", 1, 1 },
        { "minimax_text01", 2, 4 },
    };

    [Theory]
    [MemberData(nameof(Cuts))]
    public void Logits_AgreeWithTheReference_WholeInPiecesAndTokenByToken(string fixture, int stages, int shards)
    {
        using var runner = OfflineRunner.Load(ModelFolder.Open(RepositoryPaths.Fixture(fixture)), stages, shards, threads: 2);
        using var reference = SafetensorsFile.Open(Path.Combine(RepositoryPaths.Fixture(fixture), "reference.safetensors"));
        for (var prompt = 0; prompt < 3; prompt++)
        {
            var ids = reference.Get($"ids.{prompt}").ToInt32Array();
            var expected = reference.Get($"logits.{prompt}").ToSingleArray();
            foreach (var pieces in new int[][] { [], [64, 1, 7], [1, 63, 65], [.. Enumerable.Repeat(1, ids.Length)] })
            {
                Assert.InRange(RelativeError(runner, ids, pieces, expected), 0, Tolerance);
            }
        }
    }

    [Theory]
    [InlineData("minimax")]
    [InlineData("minimax_text01")]
    public void GreedyContinuation_IsTheReferences(string fixture)
    {
        using var runner = OfflineRunner.Load(ModelFolder.Open(RepositoryPaths.Fixture(fixture)), threads: 1);
        using var reference = SafetensorsFile.Open(Path.Combine(RepositoryPaths.Fixture(fixture), "reference.safetensors"));
        foreach (var prompt in new[] { 1, 2 })
        {
            var expected = reference.Get($"generated.{prompt}").ToInt32Array();

            Assert.Equal(expected, runner.Greedy(reference.Get($"ids.{prompt}").ToInt32Array(), expected.Length));
        }
    }

    [Theory]
    [InlineData(TensorType.F32, 1)]
    [InlineData(TensorType.F16, 2)]
    [InlineData(TensorType.BF16, 3)]
    public void OddSizes_AgreeWithPlainLoops(TensorType type, int seed)
    {
        var config = MiniMaxConfigs.Vendor();
        config["hidden_size"] = 80;
        config["num_attention_heads"] = 6;
        config["num_key_value_heads"] = 3;
        config["head_dim"] = 48;
        config["rotary_dim"] = 20;
        config["intermediate_size"] = 112;
        config["num_local_experts"] = 5;
        config["num_experts_per_tok"] = 3;
        config["vocab_size"] = 131;

        AssertAgreesWithPlainLoops(config, type, seed, tokens: 150);
    }

    [Theory]
    [InlineData("sigmoid")]
    [InlineData("softmax")]
    public void SharedExpert_AgreesWithPlainLoops(string mode)
    {
        var config = MiniMaxConfigs.Vendor();
        config["shared_intermediate_size"] = 96;
        config["shared_moe_mode"] = mode;

        AssertAgreesWithPlainLoops(config, TensorType.BF16, seed: 4, tokens: 70);
    }

    [Fact]
    public void DenseLayers_AgreeWithPlainLoops()
    {
        var config = MiniMaxConfigs.Vendor();
        config["num_local_experts"] = 1;
        config["num_experts_per_tok"] = 1;

        AssertAgreesWithPlainLoops(config, TensorType.BF16, seed: 5, tokens: 67);
    }

    [Fact]
    public void TiedEmbeddingsAndPreNorm_AgreeWithPlainLoops()
    {
        var config = MiniMaxConfigs.Vendor();
        config["tie_word_embeddings"] = true;
        config["postnorm"] = false;
        config["layernorm_mlp_alpha"] = 0.7;
        config["layernorm_mlp_beta"] = 1.3;

        AssertAgreesWithPlainLoops(config, TensorType.BF16, seed: 6, tokens: 40);
    }

    [Fact]
    public void AHiddenSizeThatNoVectorFits_IsRefusedByName()
    {
        using var folder = new TemporaryFolder();
        var config = MiniMaxConfigs.Vendor();
        config["hidden_size"] = 72;
        var model = RandomModel.Write(folder, config, seed: 1, TensorType.F32);

        var refusal = Assert.Throws<ModelFormatException>(() => OfflineRunner.Load(model));

        Assert.Contains("hidden size is 72", refusal.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(320)]
    [InlineData(int.MaxValue)]
    public void ATokenOutsideTheVocabulary_IsRefused(int token)
    {
        using var folder = new TemporaryFolder();
        using var runner = OfflineRunner.Load(RandomModel.Write(folder, MiniMaxConfigs.Vendor(), seed: 1, TensorType.F32), threads: 1);

        var refusal = Assert.Throws<ArgumentException>(() => runner.Greedy([1, token], 1));

        Assert.Contains($"Token {token} is outside the vocabulary of 320", refusal.Message, StringComparison.Ordinal);
    }

    private static void AssertAgreesWithPlainLoops(JsonObject config, TensorType type, int seed, int tokens)
    {
        using var folder = new TemporaryFolder();
        var model = RandomModel.Write(folder, config, seed, type);
        var random = new Random(seed);
        var ids = Enumerable.Range(0, tokens).Select(_ => random.Next(model.Graph.VocabularySize)).ToArray();
        using var weights = WeightSource.Open(folder.Path);
        var expected = new ReferenceModel(model.Graph, weights).Logits(ids).SelectMany(row => row.Select(value => (float)value)).ToArray();
        using var runner = OfflineRunner.Load(model, stages: 2, shards: 1, threads: 2);

        Assert.InRange(RelativeError(runner, ids, [], expected), 0, Tolerance);
        Assert.InRange(RelativeError(runner, ids, [5, 1, 60], expected), 0, Tolerance);
    }

    private static double RelativeError(OfflineRunner runner, int[] ids, int[] pieces, float[] expected)
    {
        var vocabulary = runner.Graph.VocabularySize;
        var (error, norm) = (0.0, 0.0);
        runner.Run(ids, pieces, (position, logits) =>
        {
            for (var i = 0; i < vocabulary; i++)
            {
                var wanted = expected[(position * vocabulary) + i];
                error += Math.Pow(logits[i] - wanted, 2);
                norm += Math.Pow(wanted, 2);
            }
        });
        return Math.Sqrt(error / norm);
    }
}
