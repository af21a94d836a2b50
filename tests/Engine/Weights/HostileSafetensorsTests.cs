using System.Runtime.InteropServices;
using System.Text;
using Loire.Engine.Weights;

namespace Loire.Engine.Tests.Weights;

/// <summary>Whatever a file holds, opening it ends with a file or a <see cref="ModelFormatException"/> that names it.</summary>
public sealed class HostileSafetensorsTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    public static TheoryData<string, string, int> WrongHeaders() => new()
    {
        { "must be an object", """{"a":1}""", 0 },
        { "dtype", """{"a":{"shape":[1],"data_offsets":[0,4]}}""", 4 },
        { "dtype", """{"a":{"dtype":7,"shape":[1],"data_offsets":[0,4]}}""", 4 },
        { "shape", """{"a":{"dtype":"F32","data_offsets":[0,4]}}""", 4 },
        { "shape", """{"a":{"dtype":"F32","shape":4,"data_offsets":[0,4]}}""", 4 },
        { "shape", """{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}""", 4 },
        { "shape", """{"a":{"dtype":"F32","shape":[1.5],"data_offsets":[0,4]}}""", 4 },
        { "shape", """{"a":{"dtype":"F32","shape":["1"],"data_offsets":[0,4]}}""", 4 },
        { "shape", """{"a":{"dtype":"F32","shape":[1e30],"data_offsets":[0,4]}}""", 4 },
        { "shape", """{"a":{"dtype":"F32","shape":[9223372036854775808],"data_offsets":[0,4]}}""", 4 },
        { "64-bit", """{"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,4]}}""", 4 },
        { "64-bit", """{"a":{"dtype":"F32","shape":[9223372036854775807,2,0],"data_offsets":[0,0]}}""", 0 },
        { "needs", """{"a":{"dtype":"F32","shape":[4611686018427387904],"data_offsets":[0,0]}}""", 0 },
        { "needs 8 bytes", """{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}""", 4 },
        { "needs 2 bytes", """{"a":{"dtype":"BF16","shape":[],"data_offsets":[0,4]}}""", 4 },
        { "data_offsets", """{"a":{"dtype":"F32","shape":[1]}}""", 4 },
        { "data_offsets", """{"a":{"dtype":"F32","shape":[1],"data_offsets":[0]}}""", 4 },
        { "data_offsets", """{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4,8]}}""", 4 },
        { "data_offsets", """{"a":{"dtype":"F32","shape":[1],"data_offsets":"0,4"}}""", 4 },
        { "must ascend", """{"a":{"dtype":"F32","shape":[1],"data_offsets":[-4,0]}}""", 4 },
        { "must ascend", """{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}""", 4 },
        { "must ascend", """{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}""", 4 },
        { "must ascend", """{"a":{"dtype":"F32","shape":[1],"data_offsets":[9223372036854775800,9223372036854775804]}}""", 4 },
        { "overlaps", """{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}""", 8 },
        { "overlaps", """{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}""", 4 },
        { "gap", """{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[8,12]}}""", 12 },
        { "gap", """{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}""", 8 },
        { "belong to no tensor", """{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}""", 5 },
        { "belong to no tensor", "{}", 1 },
        { "__metadata__", """{"__metadata__":{"a":1}}""", 0 },
        { "__metadata__", """{"__metadata__":[]}""", 0 },
        { "not valid JSON", """{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}""", 8 },
        { "not valid JSON", """{"a":{"dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4]}}""", 4 },
        { "not valid JSON", """{"a":{"dtype":"F32","shape":[NaN],"data_offsets":[0,4]}}""", 4 },
        { "not valid JSON", "{\"a\":", 0 },
        { "not valid JSON", "{} {}", 0 },
        { "not valid JSON", "{}\0\0", 0 },
        { "begin with", "[]", 0 },
        { "begin with", " {}", 0 },
        { "begin with", "", 0 },
    };

    [Theory]
    [MemberData(nameof(WrongHeaders))]
    public void A_wrong_header_is_refused_with_its_reason(string reason, string header, int dataBytes)
    {
        Assert.Contains(reason, AssertRefused(SafetensorsBytes.Of(header, dataBytes)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(3)]
    [InlineData(100_000_001)]
    [InlineData(long.MaxValue)]
    [InlineData(ulong.MaxValue)]
    [InlineData(ulong.MaxValue - 7)]
    public void A_header_longer_than_the_file_is_refused(ulong length)
    {
        var message = AssertRefused(SafetensorsBytes.Of("{}"u8.ToArray(), 0, length)).Message;

        Assert.Contains($"{length} bytes", message, StringComparison.Ordinal);
    }

    [Fact]
    public void Text_that_is_not_UTF8_is_refused()
    {
        byte[] header = [(byte)'{', (byte)'"', 0xC3, 0x28, (byte)'"', (byte)':', (byte)'1', (byte)'}'];

        Assert.Contains("UTF-8", AssertRefused(SafetensorsBytes.Of(header, 0)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{"\ud800":{"dtype":"F32","shape":[],"data_offsets":[0,4]}}""")]
    [InlineData("""{"a":{"dtype":"\ud800","shape":[],"data_offsets":[0,4]}}""")]
    [InlineData("""{"a":{"\ud800":0,"dtype":"F32","shape":[],"data_offsets":[0,4]},"\ud800":1,"\ud800":1}""")]
    public void Half_a_surrogate_pair_is_refused(string header) => AssertRefused(SafetensorsBytes.Of(header, 4));

    [Theory]
    [InlineData("[")]
    [InlineData("{\"a\":")]
    public void Nesting_without_end_is_refused(string opening)
    {
        var bomb = "{\"a\":" + string.Concat(Enumerable.Repeat(opening, 200_000));

        AssertRefused(SafetensorsBytes.Of(bomb, 0));
    }

    [Fact]
    public void A_file_cut_at_any_byte_is_refused()
    {
        var whole = SafetensorsBytes.Small();
        for (var length = 0; length < whole.Length; length++)
        {
            AssertRefused(whole[..length]);
        }
    }

    [Fact]
    public void What_is_no_readable_file_is_refused()
    {
        Assert.Contains("no such file", Assert.Throws<ModelFormatException>(() => SafetensorsFile.Open(Path.Combine(_folder.Path, "missing"))).Message, StringComparison.Ordinal);
        Assert.Throws<ModelFormatException>(() => SafetensorsFile.Open(_folder.Path));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void A_file_with_random_changes_opens_or_is_refused(int seed)
    {
        var random = new Random(seed);
        var whole = SafetensorsBytes.Small();
        for (var round = 0; round < 800; round++)
        {
            var bytes = Mutate(random, whole);
            var path = _folder.Write("m.safetensors", bytes);
            try
            {
                using var file = SafetensorsFile.Open(path);
                ReadEverything(file);
            }
            catch (ModelFormatException e)
            {
                Assert.StartsWith(path, e.Message, StringComparison.Ordinal);
            }
        }
    }

    private static byte[] Mutate(Random random, byte[] whole)
    {
        var bytes = new List<byte>(whole);
        var tokens = new[] { "0", "9", "-", "[", "]", "{", "}", "\"", ",", ":", "\\u", "null", "1e9", "99999999999999999999" };
        for (var change = random.Next(1, 4); change > 0; change--)
        {
            var at = random.Next(bytes.Count);
            switch (random.Next(4))
            {
                case 0:
                    bytes[at] = (byte)random.Next(256);
                    break;
                case 1:
                    bytes[at] ^= (byte)(1 << random.Next(8));
                    break;
                case 2:
                    bytes.RemoveAt(at);
                    break;
                default:
                    bytes.InsertRange(at, Encoding.ASCII.GetBytes(tokens[random.Next(tokens.Length)]));
                    break;
            }
        }

        // Often with a right length, so that the change is not refused for it alone.
        if (random.Next(2) == 0)
        {
            BitConverter.TryWriteBytes(CollectionsMarshal.AsSpan(bytes), (ulong)Math.Max(0, bytes.Count - 8 - 34));
        }

        return [.. bytes];
    }

    private static void ReadEverything(SafetensorsFile file)
    {
        foreach (var tensor in file.Tensors.Values)
        {
            if (tensor.Type is TensorType.F32 or TensorType.BF16 or TensorType.F16)
            {
                Assert.Equal(tensor.Count, file.Get(tensor.Name).ToSingleArray().LongLength);
            }
        }
    }

    private ModelFormatException AssertRefused(byte[] bytes)
    {
        var path = _folder.Write("m.safetensors", bytes);
        var refused = Assert.Throws<ModelFormatException>(() => SafetensorsFile.Open(path).Dispose());
        Assert.Equal(path, refused.Path);
        return refused;
    }
}
