using Loire.Store.Redis;
using static Loire.Store.Tests.Samples;

namespace Loire.Store.Tests;

/// <summary>Blobs of every size, shared by writers who race, and visible only when whole.</summary>
[Collection(SharedRedisCollection.Name)]
public sealed class BlobTests(SharedRedis redis) : RedisStoreTestBase(redis)
{
    private static BlobContent Blob(string name, int length, int writer = 0)
    {
        var content = new byte[length];
        new Random(length + writer).NextBytes(content);
        return new BlobContent(BlobKind.RecurrentState, 0, 0, Digest.Of(System.Text.Encoding.UTF8.GetBytes(name)), DType, content);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData((1 << 20) - 1)]
    [InlineData(1 << 20)]
    [InlineData((1 << 20) + 1)]
    [InlineData((8 << 20) - 1)]
    [InlineData(8 << 20)]
    [InlineData((8 << 20) + 1)]
    [InlineData(40 << 20)]
    public async Task A_blob_of_any_size_comes_back_and_no_value_is_above_its_bound(int length)
    {
        var blob = Blob("sized", length);
        var other = await OpenAnotherAsync();

        var reference = Assert.Single(await Store.PutBlobsAsync([blob]));
        var read = new byte[length];
        await other.ReadBlobsAsync([new BlobDestination(reference, read)]);

        Assert.True(blob.Content.Span.SequenceEqual(read));
        Assert.Equal(length + BlobValue.HeadBytes, Store.Usage.Bytes);
        foreach (var key in await KeysLikeAsync("[bc]:*"))
        {
            Assert.InRange(await Raw.StringLengthAsync(key), 1, RedisStoreOptions.MostValueBytes);
            Assert.Null(await Raw.KeyTimeToLiveAsync(key));
        }

        Time.Advance(TimeSpan.FromHours(2));
        var report = await Store.SweepAsync();
        Assert.Equal((1, length + BlobValue.HeadBytes), (report.BlobsDeleted, report.BytesFreed));
        Assert.Empty(await KeysLikeAsync("[bc]:*"));
        Assert.Equal(0, Store.Usage.Bytes);
    }

    [Theory]
    [InlineData(1000)]
    [InlineData(3 << 20)]
    public async Task Of_writers_who_race_for_an_address_one_wins_and_all_are_told_whose_bytes_are_there(int length)
    {
        const int Writers = 8;
        RedisStore[] stores = [Store, await OpenAnotherAsync(), await OpenAnotherAsync()];
        var references = await Task.WhenAll(Enumerable.Range(0, Writers).Select(
            writer => Task.Run(async () => (await stores[writer % stores.Length].PutBlobsAsync([Blob("raced", length, writer)]))[0])));

        var reference = Assert.Single(references.Distinct());
        var read = new byte[length];
        await Store.ReadBlobsAsync([new BlobDestination(reference, read)]);
        Assert.Equal(1, stores.Sum(store => store.Usage.BlobsWritten));
        Assert.Equal(Writers - 1, stores.Sum(store => store.Usage.BlobsShared));
        Assert.Equal(length > 1 << 20 ? length / (1 << 20) : 0, (await KeysLikeAsync("c:*")).Count);
    }

    [Fact]
    public async Task A_writer_that_dies_leaves_nothing_visible_and_pieces_that_expire()
    {
        var blob = Blob("half", 3 << 20);
        var value = BlobValue.Of(blob, 1 << 20);
        await Raw.StringSetAsync(Keys.Chunk(blob.Address, value.Write, 0), new byte[1 << 20], TimeSpan.FromMinutes(30));

        var reference = (await Store.PutBlobsAsync([blob]))[0];
        var read = new byte[3 << 20];
        await Store.ReadBlobsAsync([new BlobDestination(reference, read)]);

        Assert.True(blob.Content.Span.SequenceEqual(read));
        Assert.NotNull(await Raw.KeyTimeToLiveAsync(Keys.Chunk(blob.Address, value.Write, 0)));
    }

    [Fact]
    public async Task Many_blobs_are_a_few_round_trips()
    {
        var blobs = Enumerable.Range(0, 2000).Select(i => Blob($"many {i}", 300)).ToList();
        var references = await Store.PutBlobsAsync(blobs);
        var reads = references.Select(reference => new BlobDestination(reference, new byte[reference.Length])).ToList();
        await Store.ReadBlobsAsync(reads);

        Assert.All(reads.Zip(blobs), pair => Assert.True(pair.First.Content.Span.SequenceEqual(pair.Second.Content.Span)));
        Assert.Equal(references, await Store.PutBlobsAsync(blobs));
        Assert.Equal((2000, 2000, 2000), (Store.Usage.Blobs, Store.Usage.BlobsWritten, Store.Usage.BlobsShared));
    }

    [Fact]
    public async Task The_stores_own_bound_refuses_blobs_and_lets_turns_through()
    {
        await using var bounded = await SharedRedis.OpenAsync(
            new RedisStoreOptions { Connection = Options.Connection, Cluster = Cluster, MaxBytes = 1 << 20 }, Time);
        await bounded.PutBlobsAsync([Blob("first", 600 << 10)]);

        var refused = await Assert.ThrowsAsync<StoreFullException>(async () => await bounded.PutBlobsAsync([Blob("second", 600 << 10)]));
        await bounded.PutTurnAsync(Turn(null, [1, 2], Time));

        Assert.Contains("MaxBytes", refused.Message, StringComparison.Ordinal);
        Assert.Equal((1, 1, 1), (bounded.Usage.Blobs, bounded.Usage.Turns, bounded.Usage.FullRefusals));
    }
}
