using Loire.Engine.Weights;

namespace Loire.Engine.Tests.Weights;

public sealed class WeightSourceTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Shards_are_read_as_one_model()
    {
        WriteShards();
        _folder.Write(WeightSource.IndexFile, """{"metadata":{"total_size":12},"weight_map":{"a":"model-1.safetensors","b":"model-2.safetensors"}}""");

        using var weights = WeightSource.Open(_folder.Path);

        Assert.True(weights.Contains("a"));
        Assert.False(weights.Contains("c"));
        Assert.Equal([1f, 2f], weights.Get("a", 1, 2).ToSingleArray());
        Assert.Equal([3f], weights.Get("b").ToSingleArray());
    }

    [Theory]
    [InlineData("model-9.safetensors", "'model-9.safetensors', which is not in the folder")]
    [InlineData("model-2.safetensors", "lists tensor 'a' in 'model-2.safetensors'")]
    [InlineData("../model-1.safetensors", "same folder")]
    [InlineData("/etc/passwd", "same folder")]
    [InlineData("C:\\\\x", "same folder")]
    [InlineData("..", "same folder")]
    [InlineData("", "same folder")]
    [InlineData("\\ud800", "same folder")]
    public void An_index_that_points_elsewhere_is_refused(string shard, string reason)
    {
        WriteShards();
        _folder.Write(WeightSource.IndexFile, $$$"""{"weight_map":{"a":"{{{shard}}}"}}""");

        var refused = Assert.Throws<ModelFormatException>(() => WeightSource.Open(_folder.Path));

        Assert.Contains(WeightSource.IndexFile, refused.Message, StringComparison.Ordinal);
        Assert.Contains(reason, refused.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("{}")]
    [InlineData("""{"weight_map":[]}""")]
    [InlineData("""{"weight_map":{"a":1}}""")]
    [InlineData("""{"weight_map":{"\ud800":"model-1.safetensors"}}""")]
    [InlineData("[]")]
    [InlineData("")]
    public void A_broken_index_is_refused(string index)
    {
        WriteShards();
        _folder.Write(WeightSource.IndexFile, index);

        Assert.Throws<ModelFormatException>(() => WeightSource.Open(_folder.Path));
    }

    [Fact]
    public void A_folder_without_weights_says_what_it_lacks()
    {
        var refused = Assert.Throws<ModelFormatException>(() => WeightSource.Open(_folder.Path));

        Assert.Contains("neither model.safetensors nor model.safetensors.index.json", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_wrong_shape_names_tensor_file_and_both_shapes()
    {
        using var weights = WeightSource.Open(RepositoryPaths.Fixture("minimax"));

        var shape = Assert.Throws<ModelFormatException>(() => weights.Get("model.norm.weight", 64, 1));
        var name = Assert.Throws<ModelFormatException>(() => weights.Get("model.none.weight", 3));

        Assert.Contains("'model.norm.weight' has shape [64]; config.json asks for [64, 1]", shape.Message, StringComparison.Ordinal);
        Assert.EndsWith("model.safetensors", shape.Path, StringComparison.Ordinal);
        Assert.Contains("has no tensor 'model.none.weight'", name.Message, StringComparison.Ordinal);
    }

    private void WriteShards()
    {
        SafetensorsWriter.Write(Path.Combine(_folder.Path, "model-1.safetensors"), [new("a", TensorType.F32, [1, 2], Bytes(1, 2))]);
        SafetensorsWriter.Write(Path.Combine(_folder.Path, "model-2.safetensors"), [new("b", TensorType.F32, [1], Bytes(3))]);
    }

    private static byte[] Bytes(params float[] values) => System.Runtime.InteropServices.MemoryMarshal.AsBytes<float>(values).ToArray();
}
