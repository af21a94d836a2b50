using System.Text;

namespace Loire.Text.Tests;

public class TextStreamTests
{
    private static readonly Tokenizer s_demo = DemoModel.Tokenizer;

    [Fact]
    public void Pieces_of_random_ids_make_up_the_whole_decode()
    {
        var random = new Random(5);
        for (var round = 0; round < 2000; round++)
        {
            var ids = new int[random.Next(30)];
            for (var i = 0; i < ids.Length; i++)
            {
                // Low ids are single bytes and special tokens, where the trouble is.
                ids[i] = random.Next(random.Next(2) == 0 ? 262 : s_demo.VocabularySize + 3);
            }

            var stream = new TextStream(s_demo);
            var pieces = new StringBuilder();
            foreach (var id in ids)
            {
                var piece = stream.Push(id);
                Assert.False(piece.Length > 0 && (char.IsLowSurrogate(piece[0]) || char.IsHighSurrogate(piece[^1])), "A piece cuts a character in two.");
                pieces.Append(piece);
            }

            pieces.Append(stream.Flush());
            var bytes = ids.Where(id => !s_demo.IsSpecial(id)).SelectMany(id => s_demo.BytesOf(id).ToArray()).ToArray();
            Assert.Equal(Encoding.UTF8.GetString(bytes), pieces.ToString());
            Assert.Equal(s_demo.Decode(ids, skipSpecial: true), pieces.ToString());
        }
    }

    [Fact]
    public void A_character_is_held_back_until_it_is_whole()
    {
        var stream = new TextStream(s_demo);
        var pieces = s_demo.Encode("🚀").Select(stream.Push).ToArray();
        Assert.Equal("🚀", pieces[^1]);
        Assert.All(pieces[..^1], piece => Assert.Equal("", piece));
        Assert.Equal("", stream.Flush());
    }

    [Fact]
    public void Half_a_character_at_the_end_is_flushed_as_a_replacement()
    {
        var stream = new TextStream(s_demo);
        Assert.Equal("", stream.Push(s_demo.Encode("é", parseSpecial: false)[0]));
        Assert.Equal("\uFFFD", stream.Flush());
    }

    [Fact]
    public void Special_tokens_are_silent()
    {
        var stream = new TextStream(s_demo);
        Assert.Equal("", stream.Push(2));
        Assert.Equal("!", stream.Push(3));
    }
}
