using System.Text;
using System.Text.Json.Nodes;

namespace Loire.Text.Tests;

/// <summary>Small tokenizer files, written out where a test needs one member of its own.</summary>
internal static class TinyModels
{
    private static readonly (string Left, string Right)[] s_letterMerges =
        [("a", "b"), ("b", "c"), ("ab", "c"), ("c", "c"), ("cc", "cc"), ("a", "a"), ("aa", "b"), ("bc", "cc"), ("aa", "aa"), ("abc", "abc")];

    /// <summary>Letters a to c with a few merges that compete.</summary>
    public static Tokenizer Letters() => Parse(LettersFile());

    public static JsonObject LettersFile()
    {
        string[] tokens = ["a", "b", "c", .. s_letterMerges.Select(merge => merge.Left + merge.Right)];
        var file = File(tokens);
        var merges = file["model"]!["merges"]!.AsArray();
        foreach (var (left, right) in s_letterMerges)
        {
            merges.Add($"{left} {right}");
        }

        return file;
    }

    /// <summary>Byte-pair encoding as its definition says it: merge the first pair of the lowest rank until none is left.</summary>
    public static List<string> NaiveMerge(string word)
    {
        List<string> symbols = [.. word.Select(c => c.ToString())];
        while (true)
        {
            var (rank, at) = Enumerable.Range(0, symbols.Count - 1)
                .Select(i => (Rank: Array.IndexOf(s_letterMerges, (symbols[i], symbols[i + 1])), At: i))
                .Where(pair => pair.Rank >= 0)
                .DefaultIfEmpty((Rank: -1, At: -1))
                .Min();
            if (rank < 0)
            {
                return symbols;
            }

            symbols[at] += symbols[at + 1];
            symbols.RemoveAt(at + 1);
        }
    }

    /// <summary>A file with these tokens, no merges, byte-level without a pattern.</summary>
    public static JsonObject File(params string[] tokens)
    {
        var vocabulary = new JsonObject();
        foreach (var token in tokens)
        {
            vocabulary[token] = vocabulary.Count;
        }

        return new JsonObject
        {
            ["added_tokens"] = new JsonArray(),
            ["normalizer"] = null,
            ["pre_tokenizer"] = new JsonObject { ["type"] = "ByteLevel", ["add_prefix_space"] = false, ["use_regex"] = false },
            ["post_processor"] = null,
            ["decoder"] = new JsonObject { ["type"] = "ByteLevel" },
            ["model"] = new JsonObject { ["type"] = "BPE", ["vocab"] = vocabulary, ["merges"] = new JsonArray() },
        };
    }

    public static Tokenizer Parse(JsonNode file) => Tokenizer.Parse(Encoding.UTF8.GetBytes(file.ToJsonString()), "tokenizer.json");
}
