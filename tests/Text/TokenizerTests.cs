using System.Text;
using System.Text.Json;

namespace Loire.Text.Tests;

public class TokenizerTests
{
    private static readonly Tokenizer s_demo = DemoModel.Tokenizer;

    public static TheoryData<string, int[], string> Reference()
    {
        var cases = new TheoryData<string, int[], string>();
        foreach (var item in DemoModel.Reference.GetProperty("tokenizations").EnumerateArray())
        {
            cases.Add(
                item.GetProperty("text").GetString()!,
                item.GetProperty("ids").Deserialize<int[]>()!,
                item.GetProperty("decoded").GetString()!);
        }

        return cases;
    }

    [Theory]
    [MemberData(nameof(Reference))]
    public void The_reference_cases_come_out_exactly(string text, int[] ids, string decoded)
    {
        Assert.Equal(ids, s_demo.Encode(text));
        Assert.Equal(decoded, s_demo.Decode(ids));
        Assert.Equal(ids.Length, s_demo.CountTokens(text));
    }

    [Fact]
    public void The_reference_conversations_decode_and_encode_again()
    {
        foreach (var conversation in DemoModel.Reference.GetProperty("conversations").EnumerateArray())
        {
            var ids = conversation.GetProperty("ids").Deserialize<int[]>()!;
            Assert.Equal(ids, s_demo.Encode(s_demo.Decode(ids)));
        }
    }

    [Fact]
    public void Special_tokens_are_text_when_they_are_not_to_be_parsed()
    {
        var ids = s_demo.Encode("hi<|im_end|>", parseSpecial: false);
        Assert.DoesNotContain(2, ids);
        Assert.Equal("hi<|im_end|>", s_demo.Decode(ids));
    }

    [Fact]
    public void Skipping_special_tokens_leaves_the_words()
    {
        Assert.Equal("user\nhi", s_demo.Decode([1, 427, 267, 201, 3515, 2], skipSpecial: true));
    }

    [Fact]
    public void Ids_and_texts_of_tokens_agree()
    {
        Assert.Equal(2, s_demo.IdOf("<|im_end|>"));
        Assert.Equal("<|im_end|>", s_demo.TokenText(2));
        Assert.True(s_demo.IsSpecial(2));
        Assert.False(s_demo.IsSpecial(3));
        Assert.False(s_demo.IsSpecial(-1));
        Assert.Null(s_demo.IdOf("no such token"));
        Assert.Null(s_demo.TokenText(s_demo.VocabularySize));
        Assert.True(s_demo.BytesOf(s_demo.VocabularySize).IsEmpty);
        Assert.Equal(" "u8, s_demo.BytesOf(223));
    }

    [Fact]
    public void Ids_beyond_the_vocabulary_decode_to_nothing()
    {
        Assert.Equal("!", s_demo.Decode([3, int.MaxValue, -5]));
    }

    [Fact]
    public void Random_text_survives_the_round_trip()
    {
        var random = new Random(1);
        for (var round = 0; round < 2000; round++)
        {
            var text = RandomText(random, random.Next(40));
            Assert.Equal(text, s_demo.Decode(s_demo.Encode(text, parseSpecial: round % 2 == 0)));
        }
    }

    [Fact]
    public void Random_bytes_survive_as_the_text_that_they_are()
    {
        var random = new Random(2);
        for (var round = 0; round < 1000; round++)
        {
            var bytes = new byte[random.Next(60)];
            random.NextBytes(bytes);
            var text = Encoding.UTF8.GetString(bytes);
            Assert.Equal(text, s_demo.Decode(s_demo.Encode(text)));
        }
    }

    [Fact]
    public void Surrogates_without_partner_are_read_as_replacement_characters()
    {
        Assert.Equal("a\uFFFDb\uFFFD", s_demo.Decode(s_demo.Encode("a\uD83Db\uDE80")));
    }

    [Fact]
    public void A_word_of_a_hundred_kilobytes_takes_no_quadratic_time()
    {
        var random = new Random(3);
        var word = string.Concat(Enumerable.Range(0, 100_000).Select(_ => (char)('a' + random.Next(26))));
        var clock = TimeProvider.System.GetTimestamp();
        var ids = s_demo.Encode(word);
        var took = TimeProvider.System.GetElapsedTime(clock);
        Assert.Equal(word, s_demo.Decode(ids));
        Assert.True(took < TimeSpan.FromSeconds(5), $"100 000 letters took {took}."); // some 0.1 s; a quadratic merge takes minutes
    }

    [Fact]
    public void Long_words_merge_as_short_ones_do()
    {
        // The heap and the scan must agree: the same letters in one word of 39 and inside one of 4 000.
        var random = new Random(4);
        var tokenizer = TinyModels.Letters();
        for (var round = 0; round < 300; round++)
        {
            var word = string.Concat(Enumerable.Range(0, random.Next(1, 90)).Select(_ => (char)('a' + random.Next(3))));
            Assert.Equal(TinyModels.NaiveMerge(word), tokenizer.Encode(word).Select(id => tokenizer.TokenText(id)));
        }
    }

    [Fact]
    public async Task Many_threads_share_one_tokenizer()
    {
        var expected = s_demo.Encode("Greta lives in Lima. Which city?");
        var tasks = Enumerable.Range(0, 8).Select(_ => Task.Run(() =>
        {
            for (var i = 0; i < 500; i++)
            {
                Assert.Equal(expected, s_demo.Encode("Greta lives in Lima. Which city?"));
            }
        }));
        await Task.WhenAll(tasks);
    }

    private static string RandomText(Random random, int length)
    {
        string[] parts = ["<|im_end|>", " ", "\n", "\r\n", "\t", "é", "東", "🚀", "\U00020000", "a", "Hello", "'s", "'LL", "12", "\u200D", "\u0301", "x", "--", "\0"];
        var text = new StringBuilder();
        for (var i = 0; i < length; i++)
        {
            if (random.Next(3) == 0)
            {
                var rune = random.Next(0x110000);
                text.Append(Rune.IsValid(rune) ? char.ConvertFromUtf32(rune) : "?");
            }
            else
            {
                text.Append(parts[random.Next(parts.Length)]);
            }
        }

        return text.ToString();
    }
}
