using System.Runtime.InteropServices;
using Loire.Engine.Weights;

namespace Loire.Engine.Tests.Weights;

public sealed class SafetensorsFileTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_file_gives_back_what_was_written()
    {
        var path = Path.Combine(_folder.Path, "out.safetensors");
        float[] values = [1, -2, 3.5f, float.NaN, float.PositiveInfinity, 1e-40f];
        int[] ids = [1, 2, int.MaxValue];
        SafetensorsWriter.Write(path,
        [
            new TensorToWrite("logits", TensorType.F32, [2, 3], MemoryMarshal.AsBytes<float>(values).ToArray()),
            new TensorToWrite("ids \"odd\" \\ name é", TensorType.I32, [3], MemoryMarshal.AsBytes<int>(ids).ToArray()),
            new TensorToWrite("nothing", TensorType.BF16, [0, 7], ReadOnlyMemory<byte>.Empty),
            new TensorToWrite("one", TensorType.F16, [], new byte[] { 0x00, 0x3C }),
        ]);

        using var file = SafetensorsFile.Open(path);

        Assert.Equal(4, file.Tensors.Count);
        Assert.Equal([2L, 3L], file.Get("logits").Shape.ToArray());
        Assert.Equal(values, file.Get("logits").ToSingleArray());
        Assert.Equal(ids, file.Get("ids \"odd\" \\ name é").ToInt32Array());
        Assert.Empty(file.Get("nothing").ToSingleArray());
        Assert.Equal(1f, file.Get("one").At(0));
        Assert.False(File.Exists(path + ".partial"));
    }

    [Theory]
    [InlineData("minimax", 279)]
    [InlineData("minimax_text01", 251)]
    public void The_fixtures_open(string name, int tensors)
    {
        using var file = SafetensorsFile.Open(Path.Combine(RepositoryPaths.Fixture(name), "model.safetensors"));

        Assert.Equal(tensors, file.Tensors.Count);
        Assert.All(file.Get("model.norm.weight").ToSingleArray(), v => Assert.True(float.IsFinite(v)));
    }

    [Fact]
    public void A_piece_of_a_tensor_can_be_read()
    {
        var path = _folder.Write("m.safetensors", SafetensorsBytes.Small());
        using var file = SafetensorsFile.Open(path);
        var all = file.Get("a").ToSingleArray();
        var piece = new float[2];

        file.Get("a").CopyTo(3, piece);

        Assert.Equal(all[3..5], piece);
        Assert.Throws<ArgumentOutOfRangeException>(() => file.Get("a").At(6));
        Assert.Throws<ArgumentOutOfRangeException>(() => file.Get("a").At(-1));
        Assert.Throws<ArgumentException>(() => file.Get("a").CopyTo(new float[5]));
    }

    [Fact]
    public void A_type_without_support_is_refused_by_name_when_it_is_read()
    {
        var path = _folder.Write("m.safetensors", SafetensorsBytes.Of($$"""{{{SafetensorsBytes.Tensor("x", "F4", "[8]", "[0,4]")}},{{SafetensorsBytes.Tensor("i", "U8", "[1]", "[4,5]")}}}""", 5));
        using var file = SafetensorsFile.Open(path);

        var unknown = Assert.Throws<ModelFormatException>(() => file.Get("x"));
        var integer = Assert.Throws<ModelFormatException>(() => file.Get("i").ToSingleArray());

        Assert.Contains("'x' has type F4", unknown.Message, StringComparison.Ordinal);
        Assert.Contains("'i' has type U8", integer.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_disposed_file_gives_no_views()
    {
        var file = SafetensorsFile.Open(_folder.Write("m.safetensors", SafetensorsBytes.Small()));
        file.Dispose();
        file.Dispose();

        Assert.Throws<ObjectDisposedException>(() => file.Get("a"));
    }

    [Fact]
    public void A_shape_that_does_not_fit_its_bytes_is_not_written()
    {
        var path = Path.Combine(_folder.Path, "out.safetensors");
        var wrong = new TensorToWrite("x", TensorType.F32, [2], new byte[7]);
        var right = new TensorToWrite("y", TensorType.F32, [1], new byte[4]);

        Assert.Throws<ArgumentException>(() => SafetensorsWriter.Write(path, [wrong]));
        Assert.Throws<ArgumentException>(() => SafetensorsWriter.Write(path, [right, right]));
        Assert.False(File.Exists(path));
    }
}
