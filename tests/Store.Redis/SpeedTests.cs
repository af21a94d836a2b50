using System.Diagnostics;
using System.Globalization;
using StackExchange.Redis;
using Xunit.Abstractions;
using static Loire.Store.Tests.Samples;

namespace Loire.Store.Tests;

/// <summary>What the store costs above the commands that it cannot do without, sent through the same client in the same run.</summary>
[Collection(SharedRedisCollection.Name)]
public sealed class SpeedTests(SharedRedis redis, ITestOutputHelper output) : RedisStoreTestBase(redis)
{
    private const int Rounds = 60;
    private const int StateBlobs = 8;
    private const int StateBytes = 48 << 10;
    private const int Pages = 40;
    private const int PageBytes = 64 << 10;

    private static List<BlobContent> Checkpoint(int round)
    {
        var random = new Random(round);
        return [.. Enumerable.Range(0, StateBlobs + Pages).Select(i =>
        {
            var content = new byte[i < StateBlobs ? StateBytes : PageBytes];
            random.NextBytes(content);
            var address = Digest.Of([.. BitConverter.GetBytes(round), .. BitConverter.GetBytes(i)]);
            return new BlobContent(i < StateBlobs ? BlobKind.RecurrentState : BlobKind.KeyValuePage, i, 0, address, DType, content);
        })];
    }

    private static async Task<double> MillisecondsAsync(Func<Task> act)
    {
        var start = Stopwatch.GetTimestamp();
        await act();
        return Stopwatch.GetElapsedTime(start).TotalMilliseconds;
    }

    private static string Middle(List<double> times)
    {
        times.Sort();
        return string.Create(CultureInfo.InvariantCulture, $"p50 {times[times.Count / 2]:F2} ms, p90 {times[times.Count * 9 / 10]:F2} ms");
    }

    [Fact]
    public async Task A_checkpoint_costs_a_few_milliseconds_and_a_swap_about_a_round_trip()
    {
        List<double> put = [], again = [], get = [], rawSet = [], rawGet = [], one = [], swap = [], turn = [];
        var session = SessionReference.Create(Alice, "chat", Model, Time.GetUtcNow());
        Assert.True(await Store.TrySwapSessionAsync(session, 0));
        TurnRecord? head = null;
        for (var round = 0; round < Rounds; round++)
        {
            var blobs = Checkpoint(round);
            var bare = blobs.ConvertAll(blob => ((RedisKey)$"{Keys.Prefix}raw:{blob.Layer}", Value: blob.Content.ToArray()));
            rawSet.Add(await MillisecondsAsync(() => Task.WhenAll(bare.Select(pair => Raw.StringSetAsync(pair.Item1, pair.Value)))));
            rawGet.Add(await MillisecondsAsync(() => Task.WhenAll(bare.Select(pair => Raw.StringGetAsync(pair.Item1)))));
            one.Add(await MillisecondsAsync(() => Raw.StringGetAsync(Keys.Prefix + "nothing")));
            IReadOnlyList<BlobReference> references = [];
            put.Add(await MillisecondsAsync(async () => references = await Store.PutBlobsAsync(blobs)));
            again.Add(await MillisecondsAsync(async () => await Store.PutBlobsAsync(blobs)));
            var reads = references.Select(reference => new BlobDestination(reference, new byte[reference.Length])).ToList();
            get.Add(await MillisecondsAsync(async () => await Store.ReadBlobsAsync(reads)));
            head = Turn(head, [1, 2, 3], Time);
            turn.Add(await MillisecondsAsync(async () => await Store.PutTurnAsync(head)));
            var next = session.MoveTo(head.Id, Time.GetUtcNow());
            swap.Add(await MillisecondsAsync(async () => Assert.True(await Store.TrySwapSessionAsync(next, session.Epoch))));
            session = next;
        }

        output.WriteLine($"checkpoint of {StateBlobs} x {StateBytes >> 10} KiB and {Pages} x {PageBytes >> 10} KiB:");
        output.WriteLine($"  put {Middle(put)}; put again {Middle(again)}; floor, bare SETs {Middle(rawSet)}");
        output.WriteLine($"  get {Middle(get)}; floor, bare GETs {Middle(rawGet)}");
        output.WriteLine($"turn {Middle(turn)}; swap {Middle(swap)}; floor, one GET {Middle(one)}");
    }

    [Fact]
    public async Task Large_blobs_go_at_the_speed_of_the_client()
    {
        const int Bytes = 64 << 20;
        List<double> put = [], get = [], rawSet = [], rawGet = [];
        var content = new byte[Bytes];
        new Random(1).NextBytes(content);
        var chunks = content.Chunk(Options.ChunkBytes).Select((chunk, i) => (Key: (RedisKey)$"{Keys.Prefix}raw:{i}", chunk)).ToList();
        for (var round = 0; round < 5; round++)
        {
            var blob = new BlobContent(BlobKind.RecurrentState, 0, 0, Digest.Of(BitConverter.GetBytes(round)), DType, content);
            rawSet.Add(await MillisecondsAsync(() => Task.WhenAll(chunks.Select(chunk => Raw.StringSetAsync(chunk.Key, chunk.chunk)))));
            rawGet.Add(await MillisecondsAsync(() => Task.WhenAll(chunks.Select(chunk => Raw.StringGetAsync(chunk.Key)))));
            IReadOnlyList<BlobReference> references = [];
            put.Add(await MillisecondsAsync(async () => references = await Store.PutBlobsAsync([blob])));
            get.Add(await MillisecondsAsync(async () => await Store.ReadBlobsAsync([new BlobDestination(references[0], new byte[Bytes])])));
        }

        output.WriteLine($"64 MiB: put {Speed(put)} (bare SETs {Speed(rawSet)}), get {Speed(get)} (bare GETs {Speed(rawGet)})");

        static string Speed(List<double> times) =>
            string.Create(CultureInfo.InvariantCulture, $"{Bytes / (times.Order().ElementAt(times.Count / 2) / 1000) / (1 << 30):F2} GiB/s");
    }
}
