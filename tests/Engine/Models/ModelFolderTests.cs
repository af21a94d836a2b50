using Loire.Engine.Models;
using Loire.Engine.Tests.Weights;
using Loire.Engine.Weights;

namespace Loire.Engine.Tests.Models;

public sealed class ModelFolderTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void The_digest_depends_on_every_byte_of_a_small_model()
    {
        var original = Copy();
        var weights = File.ReadAllBytes(Path.Combine(_folder.Path, "model.safetensors"));
        weights[^1] ^= 1;
        _folder.Write("model.safetensors", weights);
        var otherWeight = ModelFolder.Open(_folder.Path).Digest;
        Copy();
        var config = File.ReadAllText(Path.Combine(_folder.Path, "config.json"));
        _folder.Write("config.json", config.Replace("\"full_attn_alpha_factor\": 3.5", "\"full_attn_alpha_factor\": 3.4", StringComparison.Ordinal));
        var otherConfig = ModelFolder.Open(_folder.Path).Digest;

        Assert.Equal(3, new[] { original, otherWeight, otherConfig }.Distinct().Count());
    }

    [Fact]
    public void The_digest_does_not_depend_on_where_the_model_lies() =>
        Assert.Equal(ModelFolder.Open(RepositoryPaths.Fixture("minimax")).Digest, Copy());

    [Fact]
    public void A_model_whose_weights_do_not_fit_its_config_is_refused()
    {
        Copy();
        var config = File.ReadAllText(Path.Combine(_folder.Path, "config.json"));
        _folder.Write("config.json", config.Replace("\"intermediate_size\": 48", "\"intermediate_size\": 56", StringComparison.Ordinal));

        var refused = Assert.Throws<ModelFormatException>(() => ModelFolder.Open(_folder.Path));

        Assert.Contains("experts.0.w1.weight' has shape [48, 64]; config.json asks for [56, 64]", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_model_with_fewer_tensors_than_its_config_needs_is_refused()
    {
        Copy();
        var config = File.ReadAllText(Path.Combine(_folder.Path, "config.json"));
        _folder.Write("config.json", config.Replace("\"num_local_experts\": 8", "\"num_local_experts\": 9", StringComparison.Ordinal));

        var refused = Assert.Throws<ModelFormatException>(() => ModelFolder.Open(_folder.Path));

        Assert.Contains("block_sparse_moe.gate.weight' has shape [8, 64]", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Weights_of_a_type_that_cannot_be_computed_with_are_refused()
    {
        _folder.Write("config.json", MiniMaxConfigs.Transformers().ToJsonString());
        SafetensorsWriter.Write(
            Path.Combine(_folder.Path, "model.safetensors"), [new("model.embed_tokens.weight", TensorType.F8E4M3, [320, 64], new byte[320 * 64])]);

        var refused = Assert.Throws<ModelFormatException>(() => ModelFolder.Open(_folder.Path));

        Assert.Contains("'model.embed_tokens.weight' has type F8_E4M3", refused.Message, StringComparison.Ordinal);
    }

    private string Copy()
    {
        foreach (var name in new[] { "config.json", "model.safetensors" })
        {
            _folder.Write(name, File.ReadAllBytes(Path.Combine(RepositoryPaths.Fixture("minimax"), name)));
        }

        return ModelFolder.Open(_folder.Path).Digest;
    }
}
