using Loire.Engine.Models;

namespace Loire.Engine.Tests.Models;

/// <summary>What each dialect says in its own words, and what holds when it is silent.</summary>
public sealed class DialectTests
{
    [Fact]
    public void The_vendor_keeps_the_stream_unless_postnorm_is_asked_for()
    {
        var silent = MiniMaxConfigs.Load(MiniMaxConfigs.Vendor());
        var asked = MiniMaxConfigs.Load(MiniMaxConfigs.Vendor(), "postnorm", "true");
        var transformers = MiniMaxConfigs.Load(MiniMaxConfigs.Transformers(), "postnorm", "false");

        Assert.Equal(new ResidualSpec(false, 1, 1), silent.Layers[0].MixerResidual);
        Assert.True(asked.Layers[0].FeedForwardResidual.PostNorm);
        Assert.True(transformers.Layers[0].MixerResidual.PostNorm);
    }

    [Fact]
    public void Each_dialect_has_its_own_names_for_the_factors()
    {
        var vendor = MiniMaxConfigs.Vendor();
        MiniMaxConfigs.Set(vendor, "layernorm_linear_attention_alpha", "2");
        MiniMaxConfigs.Set(vendor, "layernorm_full_attention_beta", "3");
        MiniMaxConfigs.Set(vendor, "layernorm_mlp_alpha", "4.5");
        var transformers = MiniMaxConfigs.Transformers();
        MiniMaxConfigs.Set(transformers, "linear_attn_alpha_factor", "2");
        MiniMaxConfigs.Set(transformers, "full_attn_beta_factor", "3");
        MiniMaxConfigs.Set(transformers, "mlp_alpha_factor", "4.5");

        foreach (var graph in new[] { MiniMaxConfigs.Load(vendor), MiniMaxConfigs.Load(transformers) })
        {
            Assert.Equal((2f, 1f), (graph.Layers[0].MixerResidual.Alpha, graph.Layers[0].MixerResidual.Beta));
            Assert.Equal((1f, 3f), (graph.Layers[1].MixerResidual.Alpha, graph.Layers[1].MixerResidual.Beta));
            Assert.Equal((4.5f, 1f), (graph.Layers[1].FeedForwardResidual.Alpha, graph.Layers[1].FeedForwardResidual.Beta));
        }
    }

    [Theory]
    [InlineData("MiniMaxText01")]
    [InlineData("minimax_text_01")]
    [InlineData("minimax_m1")]
    public void The_vendor_dialect_has_several_names(string modelType)
    {
        var graph = MiniMaxConfigs.Load(MiniMaxConfigs.Vendor(), "model_type", $"\"{modelType}\"");

        Assert.Equal(modelType, graph.ModelType);
        Assert.IsType<LightningSpec>(graph.Layers[0].Mixer);
        Assert.Equal(16, Assert.IsType<SoftmaxSpec>(graph.Layers[1].Mixer).RotaryDim);
    }

    [Fact]
    public void The_older_name_of_the_layer_list_is_read()
    {
        var config = MiniMaxConfigs.Vendor();
        config.Remove("attn_type_list");

        var graph = MiniMaxConfigs.Load(config, "decoder_attention_types", "[1, 0]");

        Assert.IsType<SoftmaxSpec>(graph.Layers[0].Mixer);
        Assert.IsType<LightningSpec>(graph.Layers[1].Mixer);
    }

    [Fact]
    public void Without_a_layer_list_transformers_makes_even_layers_full()
    {
        var graph = MiniMaxConfigs.Load(MiniMaxConfigs.Transformers(), "layer_types", null);

        Assert.IsType<SoftmaxSpec>(graph.Layers[0].Mixer);
        Assert.IsType<LightningSpec>(graph.Layers[1].Mixer);
    }

    [Fact]
    public void A_vendor_layer_with_one_expert_is_dense()
    {
        var vendor = MiniMaxConfigs.Load(MiniMaxConfigs.Vendor(), "num_local_experts", "[8, 1]");
        var config = MiniMaxConfigs.Transformers();
        MiniMaxConfigs.Set(config, "num_experts_per_tok", "1");
        var transformers = MiniMaxConfigs.Load(config, "num_local_experts", "1");

        Assert.IsType<MoeSpec>(vendor.Layers[0].FeedForward);
        var dense = Assert.IsType<DenseSpec>(vendor.Layers[1].FeedForward);
        Assert.Equal((48, "model.layers.1.mlp.down_proj.weight"), (dense.Width, dense.Tensors.Down));
        Assert.IsType<MoeSpec>(transformers.Layers[0].FeedForward);
    }

    [Fact]
    public void A_shared_expert_has_its_width_names_and_mode()
    {
        var config = MiniMaxConfigs.Vendor();
        MiniMaxConfigs.Set(config, "shared_moe_mode", "\"sigmoid\"");
        var graph = MiniMaxConfigs.Load(config, "shared_intermediate_size", "[24]");

        var shared = Assert.IsType<MoeSpec>(graph.Layers[0].FeedForward).Shared;
        Assert.NotNull(shared);
        Assert.Equal((24, SharedExpertMode.Sigmoid, "model.layers.0.coefficient.weight"), (shared.Width, shared.Mode, shared.Coefficient));
        Assert.Equal("model.layers.0.shared_mlp.up_proj.weight", shared.Tensors.Up);
        Assert.Null(Assert.IsType<MoeSpec>(graph.Layers[1].FeedForward).Shared);
        Assert.Contains(graph.RequiredTensors(), t => t is { Name: "model.layers.0.coefficient.weight", Rows: 1, Columns: 64 });
    }

    [Fact]
    public void A_head_width_that_is_not_given_comes_from_the_hidden_size()
    {
        var graph = MiniMaxConfigs.Load(MiniMaxConfigs.Transformers(), "head_dim", "null");

        Assert.Equal(16, Assert.IsType<SoftmaxSpec>(graph.Layers[1].Mixer).HeadDim);
    }

    [Theory]
    [InlineData("rotary_dim", "8", 8)]
    [InlineData("partial_rotary_factor", "0.5", 16)]
    [InlineData("rope_parameters.partial_rotary_factor", "0.25", 8)]
    [InlineData("rotary_dim", "null", 32)]
    public void The_rotary_width_may_be_a_part_of_the_head(string field, string json, int expected)
    {
        var graph = MiniMaxConfigs.Load(MiniMaxConfigs.Transformers(), field, json);

        Assert.Equal(expected, Assert.IsType<SoftmaxSpec>(graph.Layers[1].Mixer).RotaryDim);
    }

    [Fact]
    public void Tied_embeddings_share_one_tensor()
    {
        var graph = MiniMaxConfigs.Load(MiniMaxConfigs.Transformers(), "tie_word_embeddings", "true");

        Assert.Equal(graph.EmbeddingTensor, graph.OutputTensor);
        Assert.DoesNotContain(graph.RequiredTensors(), t => t.Name == "lm_head.weight");
    }

    [Fact]
    public void End_tokens_may_be_one_or_several_or_none()
    {
        Assert.Equal([2], MiniMaxConfigs.Load(MiniMaxConfigs.Transformers()).EndTokens.ToArray());
        Assert.Equal([3, 7], MiniMaxConfigs.Load(MiniMaxConfigs.Transformers(), "eos_token_id", "[7, 3, 7]").EndTokens.ToArray());
        Assert.Empty(MiniMaxConfigs.Load(MiniMaxConfigs.Transformers(), "eos_token_id", "null").EndTokens);
    }
}
