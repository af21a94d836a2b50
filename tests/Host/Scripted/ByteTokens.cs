using System.Text;
using System.Text.Json.Nodes;
using Loire.Text;

namespace Loire.Host.Tests;

/// <summary>A vocabulary of the 256 bytes and an end token: whatever text a test writes has tokens that it can count.</summary>
internal static class ByteTokens
{
    public const int End = 256;
    public const int Count = 257;

    public static Tokenizer Tokenizer { get; } = Create();

    public static int[] Of(string text) => [.. Encoding.UTF8.GetBytes(text).Select(value => (int)value)];

    public static byte[] BytesOf(int token) => token < End ? [(byte)token] : [];

    private static Tokenizer Create()
    {
        var vocabulary = new JsonObject();
        var next = 256;
        for (var value = 0; value < 256; value++)
        {
            var printable = value is (>= '!' and <= '~') or (>= 0xA1 and <= 0xAC) or (>= 0xAE and <= 0xFF);
            vocabulary[((char)(printable ? value : next++)).ToString()] = value;
        }

        vocabulary["<end>"] = End;
        var file = new JsonObject
        {
            ["added_tokens"] = new JsonArray(new JsonObject
            {
                ["id"] = End, ["content"] = "<end>", ["special"] = true, ["normalized"] = false,
                ["lstrip"] = false, ["rstrip"] = false, ["single_word"] = false,
            }),
            ["pre_tokenizer"] = new JsonObject { ["type"] = "ByteLevel", ["add_prefix_space"] = false, ["use_regex"] = false },
            ["decoder"] = new JsonObject { ["type"] = "ByteLevel" },
            ["model"] = new JsonObject { ["type"] = "BPE", ["vocab"] = vocabulary, ["merges"] = new JsonArray() },
        };
        return Tokenizer.Parse(Encoding.UTF8.GetBytes(file.ToJsonString()), "bytes.json");
    }
}
