using System.Text;
using System.Text.Json.Nodes;

namespace Loire.Text.Tests;

/// <summary>What tokenizer files may ask for, and what is refused by name.</summary>
public class TokenizerFormatTests
{
    [Fact]
    public void A_split_pattern_cuts_words_in_all_behaviours()
    {
        // "ab--c-" with a pattern of one hyphen; letters and hyphens are bytes here, so the cuts show in what could merge.
        Assert.Equal(["ab", "-", "-", "c", "-"], Words("Isolated"));
        Assert.Equal(["ab", "c"], Words("Removed"));
        Assert.Equal(["ab-", "-", "c-"], Words("MergedWithPrevious"));
        Assert.Equal(["ab", "-", "-c", "-"], Words("MergedWithNext"));
        Assert.Equal(["ab", "--", "c", "-"], Words("Contiguous"));

        static List<string> Words(string behavior)
        {
            var step = new SplitStep(new WordPattern("-"), Enum.Parse<SplitBehavior>(behavior), invert: false);
            var sink = new Sink();
            new PreTokenizer([step]).Split("ab--c-", sink);
            return sink.Words;
        }
    }

    [Theory]
    [InlineData(@"[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+", "Hi there 12345!!\n  x", "Hi| there| |123|45|!!\n| | x")]
    [InlineData(@"\p{Han}+|[\p{L}&&[^\p{Han}]]+|\s+", "a漢字b 𠀀x", "a|漢字|b| |𠀀|x")]
    [InlineData(@"\p{L}+|\p{N}", "𝒜b𝟙2é", "𝒜b|𝟙|2|é")]
    [InlineData(@"(?i:'s|'t)|\w+|[^\w\s]+", "It'S don't é\u0301a_b", "It|'S| |don|'t| |é\u0301a_b")]
    [InlineData(@"(?:a|b){2}+|\x{e9}|[\u4e00-\u9fff]", "ababé字c", "abab|é|字|c")]
    public void Patterns_of_published_tokenizers_cut_as_they_do_elsewhere(string pattern, string text, string expected)
    {
        var sink = new Sink();
        new PreTokenizer([new SplitStep(new WordPattern(PatternTranslator.Translate(pattern)), SplitBehavior.Isolated, invert: false)]).Split(text, sink);
        Assert.Equal(expected.Split('|'), sink.Words);
    }

    [Theory]
    [InlineData(@"(a")]
    [InlineData(@"a)")]
    [InlineData(@"[a")]
    [InlineData(@"*a")]
    [InlineData(@"(?<n>a)\1")]
    [InlineData(@"[a&&b]")]
    [InlineData(@"[[:alpha:]]")]
    [InlineData(@"\h")]
    [InlineData(@"\p{Cherokee}")]
    [InlineData(@"\p{L")]
    [InlineData(@"(?x: a)")]
    [InlineData(@"\u12")]
    [InlineData("\\")]
    [InlineData(@"[z-a]")]
    public void Patterns_that_would_be_read_differently_are_refused_by_name(string pattern)
    {
        var file = TinyModels.LettersFile();
        file["pre_tokenizer"] = new JsonObject
        {
            ["type"] = "Sequence",
            ["pretokenizers"] = new JsonArray(
                new JsonObject { ["type"] = "Split", ["pattern"] = new JsonObject { ["Regex"] = pattern }, ["behavior"] = "Isolated" },
                new JsonObject { ["type"] = "ByteLevel", ["add_prefix_space"] = false, ["use_regex"] = false }),
        };
        Assert.Equal("pre_tokenizer.pretokenizers[0].pattern.Regex", Assert.Throws<TokenizerFormatException>(() => TinyModels.Parse(file)).Member);
    }

    [Fact]
    public void A_pattern_that_runs_away_is_the_files_fault()
    {
        var file = TinyModels.LettersFile();
        file["pre_tokenizer"] = new JsonObject { ["type"] = "Split", ["pattern"] = new JsonObject { ["Regex"] = "(a|aa|a+)+x" }, ["behavior"] = "Isolated" };
        var error = Assert.Throws<TokenizerFormatException>(() => TinyModels.Parse(file).Encode(new string('a', 200)));
        Assert.Equal("pre_tokenizer.pattern.Regex", error.Member);
    }

    [Fact]
    public void Every_category_has_a_stand_in_of_its_own_kind()
    {
        foreach (var category in Enum.GetValues<System.Globalization.UnicodeCategory>())
        {
            if (category != System.Globalization.UnicodeCategory.Surrogate)
            {
                Assert.Equal(category, char.GetUnicodeCategory(StandIns.For(category)));
            }
        }
    }

    [Fact]
    public void A_prefix_space_is_put_before_text_that_has_none()
    {
        var file = TinyModels.File("Ġ", "a", "Ġa");
        file["model"]!["merges"]!.AsArray().Add(new JsonArray("Ġ", "a"));
        file["pre_tokenizer"]!["add_prefix_space"] = true;
        var tokenizer = TinyModels.Parse(file);
        Assert.Equal([2], tokenizer.Encode("a"));
        Assert.Equal([2], tokenizer.Encode(" a"));
        Assert.Equal(" a", tokenizer.Decode([2]));
    }

    [Fact]
    public void Added_tokens_take_the_longest_match_and_mind_their_flags()
    {
        var file = TinyModels.File("a", "b", "Ġ");
        file["added_tokens"] = new JsonArray(
            Added(3, "<x>"), Added(4, "<x><y>"), Added(5, "<left>", "lstrip"), Added(6, "<right>", "rstrip"), Added(7, "ab", "single_word"));
        var tokenizer = TinyModels.Parse(file);
        Assert.Equal([3, 4, 0], tokenizer.Encode("<x><x><y>a"));
        Assert.Equal([0, 5, 2, 0], tokenizer.Encode("a  <left> a"));
        Assert.Equal([0, 2, 6, 0], tokenizer.Encode("a <right>  a"));
        Assert.Equal([7, 2, 0, 1, 0, 2, 7], tokenizer.Encode("ab aba ab"));

        static JsonObject Added(int id, string content, string? flag = null)
        {
            var token = new JsonObject { ["id"] = id, ["content"] = content, ["special"] = true };
            if (flag is not null)
            {
                token[flag] = true;
            }

            return token;
        }
    }

    [Fact]
    public void Added_tokens_that_are_not_special_are_found_in_anybodys_words()
    {
        var file = TinyModels.File("a");
        file["added_tokens"] = new JsonArray(new JsonObject { ["id"] = 1, ["content"] = "<think>", ["special"] = false });
        var tokenizer = TinyModels.Parse(file);
        Assert.Equal([1, 0], tokenizer.Encode("<think>a", parseSpecial: false));
        Assert.False(tokenizer.IsSpecial(1));
        Assert.Equal("<think>a", tokenizer.Decode([1, 0], skipSpecial: true));
    }

    [Fact]
    public void Characters_outside_the_vocabulary_are_spelled_in_bytes_and_decoded_from_them()
    {
        var tokenizer = TinyModels.Parse(SentencePieceLike());
        var ids = tokenizer.Encode("a é");
        Assert.Equal(["▁", "a", "▁", "<0xC3>", "<0xA9>"], ids.Select(id => tokenizer.TokenText(id)));
        Assert.Equal("a é", tokenizer.Decode(ids));
        var stream = new TextStream(tokenizer);
        Assert.Equal("a é", string.Concat(ids.Select(stream.Push)) + stream.Flush());
    }

    [Fact]
    public void Unknown_characters_become_the_unknown_token_fused_or_not()
    {
        var file = SentencePieceLike();
        file["model"]!["byte_fallback"] = false;
        file["model"]!["unk_token"] = "<unk>";
        Assert.Equal(["▁", "<unk>", "<unk>", "a"], Texts(TinyModels.Parse(file), "東京a"));
        file["model"]!["fuse_unk"] = true;
        Assert.Equal(["▁", "<unk>", "a"], Texts(TinyModels.Parse(file), "東京a"));
    }

    [Fact]
    public void Words_that_are_tokens_are_taken_whole_when_merges_are_to_be_ignored()
    {
        var file = TinyModels.File("a", "b", "ab", "aba", "ba");
        file["model"]!["merges"]!.AsArray().Add("a b");
        file["model"]!["merges"]!.AsArray().Add("b a");
        Assert.Equal(["ab", "a"], Texts(TinyModels.Parse(file), "aba"));
        file["model"]!["ignore_merges"] = true;
        Assert.Equal(["aba"], Texts(TinyModels.Parse(file), "aba"));
    }

    [Theory]
    [InlineData("NFC", "e\u0301 \uFB01 각", "é \uFB01 각")]
    [InlineData("NFD", "é \uFB01 각", "e\u0301 \uFB01 \u1100\u1161\u11A8")]
    [InlineData("NFKC", "e\u0301 \uFB01 Ⅷ ①", "é fi VIII 1")]
    [InlineData("NFKD", "é ½", "e\u0301 1\u20442")]
    [InlineData("NFC", "q\u0307\u0323 q\u0323\u0307", "q\u0323\u0307 q\u0323\u0307")]
    [InlineData("NFC", "\u0958 \u212B \U0001D15E", "\u0915\u093C Å \U0001D157\U0001D165")]
    [InlineData("Lowercase", "ÀB", "àb")]
    public void Normalizers_do_what_Unicode_says(string type, string text, string expected)
    {
        var normalizer = TextNormalizer.Read(Node(new JsonObject { ["type"] = type }));
        Assert.Equal(expected, normalizer!.Apply(text));
    }

    [Fact]
    public void Normal_forms_are_stable_on_random_text()
    {
        var random = new Random(7);
        for (var round = 0; round < 500; round++)
        {
            var text = string.Concat(Enumerable.Range(0, 12).Select(_ => random.Next(3) switch
            {
                0 => char.ConvertFromUtf32(0x300 + random.Next(0x70)),
                1 => char.ConvertFromUtf32(0xAC00 + random.Next(11172)),
                _ => char.ConvertFromUtf32(0xA0 + random.Next(0x1F00)),
            }));
            var nfc = UnicodeForms.Normalize(text, compose: true, compatibility: false);
            var nfd = UnicodeForms.Normalize(text, compose: false, compatibility: false);
            Assert.Equal(nfc, UnicodeForms.Normalize(nfc, compose: true, compatibility: false));
            Assert.Equal(nfc, UnicodeForms.Normalize(nfd, compose: true, compatibility: false));
            Assert.Equal(nfd, UnicodeForms.Normalize(nfc, compose: false, compatibility: false));
        }
    }

    [Theory]
    [InlineData("model.type", "\"Unigram\"")]
    [InlineData("model.dropout", "0.1")]
    [InlineData("model.end_of_word_suffix", "\"</w>\"")]
    [InlineData("model.vocab", "[]")]
    [InlineData("model.vocab", "{}")]
    [InlineData("model.vocab['a']", "{\"a\": -1}")]
    [InlineData("model.vocab['a']", "{\"a\": 99999999}")]
    [InlineData("model.vocab['a']", "{\"a\": \"x\"}")]
    [InlineData("model.vocab['b']", "{\"a\": 0, \"b\": 0}")]
    [InlineData("model.vocab['a']", "{\"a\": 0, \"a\": 1}")]
    [InlineData("model.merges", "3")]
    [InlineData("model.merges[0]", "[\"a\"]")]
    [InlineData("model.merges[0]", "[\"a b c\"]")]
    [InlineData("model.merges[0]", "[[\"a\"]]")]
    [InlineData("model.merges[0]", "[\"a zzz\"]")]
    [InlineData("model.merges[0]", "[[\"b\", \"a\"]]")]
    [InlineData("model.unk_token", "\"nope\"")]
    [InlineData("model.byte_fallback", "1")]
    [InlineData("pre_tokenizer.type", "{\"type\": \"Metaspace\"}")]
    [InlineData("pre_tokenizer.pattern.Regex", "{\"type\": \"Split\", \"pattern\": {\"Regex\": \"(\"}, \"behavior\": \"Isolated\"}")]
    [InlineData("pre_tokenizer.behavior", "{\"type\": \"Split\", \"pattern\": {\"String\": \"x\"}, \"behavior\": \"Odd\"}")]
    [InlineData("normalizer.type", "{\"type\": \"BertNormalizer\"}")]
    [InlineData("normalizer.pattern", "{\"type\": \"Replace\", \"pattern\": {\"Regex\": \"x\"}, \"content\": \"\"}")]
    [InlineData("decoder", "null")]
    [InlineData("decoder.type", "{\"type\": \"WordPiece\"}")]
    [InlineData("post_processor.type", "{\"type\": \"BertProcessing\"}")]
    [InlineData("added_tokens[0].id", "[{\"id\": 0, \"content\": \"<x>\"}]")]
    [InlineData("added_tokens[0].id", "[{\"id\": 7, \"content\": \"a\"}]")]
    [InlineData("added_tokens[0].content", "[{\"id\": 7, \"content\": \"\"}]")]
    [InlineData("added_tokens[1].id", "[{\"id\": 77, \"content\": \"<x>\"}, {\"id\": 77, \"content\": \"<y>\"}]")]
    public void What_is_wrong_in_a_file_is_named(string member, string json)
    {
        var file = TinyModels.LettersFile();
        var names = member.Split(['[', '.'], 3);
        var owner = member.StartsWith("model", StringComparison.Ordinal) ? file["model"]!.AsObject() : file;
        var name = ReferenceEquals(owner, file) ? names[0] : names[1];
        owner[name] = "@";
        var text = file.ToJsonString().Replace("\"@\"", json, StringComparison.Ordinal); // as it stands: a node would drop double members
        var error = Assert.Throws<TokenizerFormatException>(() => Tokenizer.Parse(Encoding.UTF8.GetBytes(text), "tokenizer.json"));
        Assert.Equal(member, error.Member);
        Assert.Contains("tokenizer.json", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Files_cut_off_anywhere_or_deeply_nested_are_refused()
    {
        var bytes = DemoModel.TokenizerJson;
        var random = new Random(9);
        for (var round = 0; round < 50; round++)
        {
            Assert.Throws<TokenizerFormatException>(() => Tokenizer.Parse(bytes.AsMemory(0, random.Next(bytes.Length - 2)), "cut"));
        }

        Assert.Throws<TokenizerFormatException>(() => Tokenizer.Parse(Encoding.UTF8.GetBytes(new string('[', 100_000)), "deep"));
        Assert.Throws<TokenizerFormatException>(() => Tokenizer.Parse("{\"model\": {\"vocab\": {\"\\ud800\": 1}}}"u8.ToArray(), "surrogate"));
        Assert.Throws<TokenizerFormatException>(() => Tokenizer.Parse("[]"u8.ToArray(), "array"));
    }

    [Fact]
    public void Files_with_random_damage_load_or_are_refused_and_nothing_else()
    {
        var bytes = Encoding.UTF8.GetBytes(SentencePieceLike().ToJsonString());
        var random = new Random(10);
        for (var round = 0; round < 3000; round++)
        {
            var damaged = bytes.ToArray();
            for (var i = random.Next(1, 4); i > 0; i--)
            {
                var at = random.Next(damaged.Length);
                damaged[at] = random.Next(3) switch
                {
                    0 => (byte)random.Next(256),
                    1 => (byte)"{}[]\",:0123456789-truefalsnl"[random.Next(28)],
                    _ => damaged[random.Next(damaged.Length)],
                };
            }

            try
            {
                var tokenizer = Tokenizer.Parse(damaged, "damaged");
                tokenizer.Decode(tokenizer.Encode("a é <x>東"));
            }
            catch (TokenizerFormatException)
            {
                // the one way to refuse
            }
        }
    }

    private static IEnumerable<string?> Texts(Tokenizer tokenizer, string text) => tokenizer.Encode(text).Select(tokenizer.TokenText);

    private static FileNode Node(JsonObject json) => new(System.Text.Json.JsonDocument.Parse(json.ToJsonString()).RootElement, "file", "normalizer");

    /// <summary>A vocabulary of characters with byte fallback, its spaces written as U+2581.</summary>
    private static JsonObject SentencePieceLike()
    {
        var file = TinyModels.File([.. Enumerable.Range(0, 256).Select(b => $"<0x{b:X2}>"), "<unk>", "▁", "a", "b"]);
        file["added_tokens"] = new JsonArray(new JsonObject { ["id"] = 256, ["content"] = "<unk>", ["special"] = true });
        file["model"]!["byte_fallback"] = true;
        file["pre_tokenizer"] = null;
        file["normalizer"] = new JsonObject
        {
            ["type"] = "Sequence",
            ["normalizers"] = new JsonArray(
                new JsonObject { ["type"] = "Prepend", ["prepend"] = "▁" },
                new JsonObject { ["type"] = "Replace", ["pattern"] = new JsonObject { ["String"] = " " }, ["content"] = "▁" }),
        };
        file["decoder"] = new JsonObject
        {
            ["type"] = "Sequence",
            ["decoders"] = new JsonArray(
                new JsonObject { ["type"] = "Replace", ["pattern"] = new JsonObject { ["String"] = "▁" }, ["content"] = " " },
                new JsonObject { ["type"] = "ByteFallback" },
                new JsonObject { ["type"] = "Fuse" },
                new JsonObject { ["type"] = "Strip", ["content"] = " ", ["start"] = 1, ["stop"] = 0 }),
        };
        return file;
    }

    private sealed class Sink : IWordSink
    {
        public List<string> Words { get; } = [];

        public void Add(ReadOnlySpan<char> word) => Words.Add(word.ToString());
    }
}
