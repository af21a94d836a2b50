using System.Text;
using Loire.Engine.Replica;

namespace Loire.Engine.Tests.Replica;

public sealed class StopTextDetectorTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void AnyCutOfTheBytes_StopsWhereAPlainSearchFindsAStop(int seed)
    {
        var random = new Random(seed);
        for (var round = 0; round < 500; round++)
        {
            byte[][] stops = [.. Enumerable.Range(0, 1 + random.Next(3)).Select(_ => Text(random, 1 + random.Next(5)))];
            var detector = new StopTextDetector(stops, longestToken: 6);
            var seen = new List<byte>();
            for (var token = 0; token < 60; token++)
            {
                var bytes = Text(random, random.Next(7));
                seen.AddRange(bytes);
                var expected = stops.Any(stop => seen.ToArray().AsSpan().IndexOf(stop) >= 0);

                Assert.Equal(expected, detector.Push(bytes));
                if (expected)
                {
                    break;
                }
            }
        }
    }

    private static byte[] Text(Random random, int length) => Encoding.ASCII.GetBytes(string.Concat(Enumerable.Range(0, length).Select(_ => "ab"[random.Next(2)])));
}
