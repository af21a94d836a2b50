using Loire.Engine.Models;
using Loire.Engine.Tests.Weights;
using Loire.Engine.Weights;

namespace Loire.Engine.Tests.Models;

/// <summary>The configs of the fixtures and of the demo model become the graphs that their references computed.</summary>
public sealed class PublishedConfigTests
{
    [Fact]
    public void The_transformers_fixture_becomes_its_graph()
    {
        var graph = ModelConfig.Load(RepositoryPaths.Fixture("minimax"));

        Assert.Equal(("minimax", 320, 64, 4096, 8), (graph.ModelType, graph.VocabularySize, graph.HiddenSize, graph.ContextLength, graph.Layers.Length));
        Assert.Equal([2], graph.EndTokens.ToArray());
        Assert.Equal(1, graph.BosToken);
        Assert.Equal(1e-5f, graph.NormEpsilon);
        Assert.Equal("lm_head.weight", graph.OutputTensor);
        Assert.Equal([0, 1, 2, 3, 4, 5, 6], LightningLayers(graph));
        Assert.All(graph.Layers, layer => Assert.Equal(new ResidualSpec(true, 3.5565588f, 1), layer.MixerResidual));
        Assert.All(graph.Layers, layer => Assert.Equal(new ResidualSpec(true, 3.5565588f, 1), layer.FeedForwardResidual));
        var softmax = Assert.IsType<SoftmaxSpec>(graph.Layers[7].Mixer);
        Assert.Equal((4, 2, 32, 32, 1e7), (softmax.Heads, softmax.KeyValueHeads, softmax.HeadDim, softmax.RotaryDim, softmax.RopeTheta));
    }

    [Fact]
    public void The_vendor_fixture_becomes_its_graph()
    {
        var graph = ModelConfig.Load(RepositoryPaths.Fixture("minimax_text01"));

        Assert.Equal([0, 1, 2, 4, 5, 6], LightningLayers(graph));
        Assert.All(graph.Layers, layer => Assert.Equal(new ResidualSpec(true, 2, 1), layer.MixerResidual));
        var softmax = Assert.IsType<SoftmaxSpec>(graph.Layers[3].Mixer);
        Assert.Equal((16, 1e7), (softmax.RotaryDim, softmax.RopeTheta));
        Assert.Equal("model.layers.3.self_attn.q_proj.weight", softmax.Query);
        var lightning = Assert.IsType<LightningSpec>(graph.Layers[4].Mixer);
        Assert.Equal(1e-6f, lightning.NormEpsilon);
        Assert.Equal("model.layers.4.self_attn.qkv_proj.weight", lightning.QkvProjection);
        var moe = Assert.IsType<MoeSpec>(graph.Layers[4].FeedForward);
        Assert.Equal((8, 2, 48), (moe.Experts, moe.TopK, moe.Width));
        Assert.Equal("model.layers.4.block_sparse_moe.experts.5.w2.weight", moe.Expert(5).Down);
        Assert.Null(moe.Shared);
    }

    [Fact]
    public void The_demo_model_becomes_its_graph_and_ends_at_either_token()
    {
        var graph = ModelConfig.Load(RepositoryPaths.DemoModel);

        Assert.Equal((4096, 256, 65536, 8), (graph.VocabularySize, graph.HiddenSize, graph.ContextLength, graph.Layers.Length));
        Assert.Equal([0, 2], graph.EndTokens.ToArray());
        Assert.Equal(0, graph.BosToken);
        Assert.Equal([0, 1, 2, 4, 5, 6], LightningLayers(graph));
        Assert.Equal(10_000, Assert.IsType<SoftmaxSpec>(graph.Layers[3].Mixer).RopeTheta);
    }

    [Theory]
    [InlineData("minimax")]
    [InlineData("demo")]
    public void Slopes_agree_with_those_that_the_checkpoint_stores(string name)
    {
        var folder = name == "demo" ? RepositoryPaths.DemoModel : RepositoryPaths.Fixture(name);
        using var weights = WeightSource.Open(folder);
        foreach (var layer in ModelConfig.Load(folder).Layers)
        {
            if (layer.Mixer is LightningSpec lightning)
            {
                var stored = weights.Get($"model.layers.{layer.Index}.self_attn.slope_rate", lightning.Heads, 1, 1).ToSingleArray();
                for (var head = 0; head < stored.Length; head++)
                {
                    // The reference rounds its base, each power and the product to fp32: three roundings, the first raised to the power.
                    Assert.Equal(stored[head], lightning.Slopes[head], stored[head] * 6e-7f);
                }
            }
        }
    }

    [Theory]
    [InlineData("minimax")]
    [InlineData("minimax_text01")]
    public void A_folder_opens_with_an_identity(string name)
    {
        var first = ModelFolder.Open(RepositoryPaths.Fixture(name));
        var again = ModelFolder.Open(RepositoryPaths.Fixture(name) + Path.DirectorySeparatorChar);

        Assert.Equal(name, again.Name);
        Assert.Matches("^[0-9a-f]{64}$", first.Digest);
        Assert.Equal(first.Digest, again.Digest);
        using var weights = first.OpenWeights();
        Assert.All(first.Graph.RequiredTensors(), tensor => Assert.True(weights.Contains(tensor.Name)));
    }

    private static int[] LightningLayers(ModelGraph graph) => [.. graph.Layers.Where(l => l.Mixer is LightningSpec).Select(l => l.Index)];
}
