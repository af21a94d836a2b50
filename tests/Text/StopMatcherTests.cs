using System.Text;

namespace Loire.Text.Tests;

public class StopMatcherTests
{
    [Fact]
    public void Random_streams_stop_where_a_search_of_the_whole_text_stops()
    {
        var random = new Random(6);
        for (var round = 0; round < 5000; round++)
        {
            var stops = Enumerable.Range(0, random.Next(4)).Select(_ => Letters(random, random.Next(5))).ToArray();
            var text = Letters(random, random.Next(40));
            var (expected, matched) = Search(text, stops);
            var matcher = new StopMatcher(stops);
            var given = new StringBuilder();
            var stopped = false;
            for (var at = 0; at < text.Length && !stopped;)
            {
                var length = Math.Min(random.Next(6), text.Length - at);
                stopped = matcher.Push(text.Substring(at, length), out var safe);
                given.Append(safe);
                at += length;
            }

            given.Append(matcher.Flush());
            Assert.Equal((expected, matched), (given.ToString(), stopped));
        }
    }

    [Fact]
    public void Text_that_cannot_begin_a_stop_is_not_held_back()
    {
        var matcher = new StopMatcher(["END"]);
        Assert.False(matcher.Push("some text E", out var safe));
        Assert.Equal("some text ", safe);
        Assert.False(matcher.Push("ast", out safe));
        Assert.Equal("East", safe);
    }

    [Fact]
    public void After_a_match_nothing_more_comes()
    {
        var matcher = new StopMatcher(["\n"]);
        Assert.True(matcher.Push("one\ntwo", out var safe));
        Assert.Equal("one", safe);
        Assert.True(matcher.Push("three", out safe));
        Assert.Equal("", safe);
        Assert.Equal("", matcher.Flush());
    }

    private static string Letters(Random random, int length) =>
        string.Concat(Enumerable.Range(0, length).Select(_ => (char)('a' + random.Next(2))));

    private static (string Text, bool Matched) Search(string text, string[] stops)
    {
        for (var end = 1; end <= text.Length; end++)
        {
            var ending = stops.Where(stop => stop.Length > 0 && text[..end].EndsWith(stop, StringComparison.Ordinal)).ToArray();
            if (ending.Length > 0)
            {
                return (text[..(end - ending.Max(stop => stop.Length))], true);
            }
        }

        return (text, false);
    }
}
