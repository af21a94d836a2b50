using Loire.Store.Redis;
using StackExchange.Redis;
using static Loire.Store.Tests.Samples;

namespace Loire.Store.Tests;

/// <summary>Values cut short, flipped, exchanged or gone: reported by name, never believed, and in nobody's way.</summary>
[Collection(SharedRedisCollection.Name)]
public sealed class DamageTests(SharedRedis redis) : RedisStoreTestBase(redis)
{
    public static TheoryData<string> Damages =>
        ["empty", "one byte", "cut in half", "last byte gone", "one byte more", "noise", "zeros", "another type", "flipped by SETRANGE"];

    private async Task DamageAsync(RedisKey key, string how)
    {
        byte[] bytes = (await Raw.StringGetAsync(key))!;
        if (how == "another type")
        {
            await Raw.KeyDeleteAsync(key);
            await Raw.ListRightPushAsync(key, "foreign");
            return;
        }

        if (how == "flipped by SETRANGE")
        {
            await Raw.StringSetRangeAsync(key, bytes.Length - 1, new[] { (byte)(bytes[^1] ^ 1) });
            return;
        }

        await Raw.StringSetAsync(key, Damaged(bytes, how));
    }

    private static byte[] Damaged(byte[] bytes, string how)
    {
        var noise = new byte[bytes.Length];
        new Random(11).NextBytes(noise);
        return how switch
        {
            "empty" => [],
            "one byte" => bytes[..1],
            "cut in half" => bytes[..(bytes.Length / 2)],
            "last byte gone" => bytes[..^1],
            "one byte more" => [.. bytes, 0],
            "noise" => noise,
            "zeros" => new byte[bytes.Length],
            _ => throw new ArgumentException(how),
        };
    }

    [Theory]
    [MemberData(nameof(Damages))]
    public async Task A_damaged_blob_is_refused_put_aside_and_written_anew(string how)
    {
        var prefix = Prefix(1, 2, 3, 4, 5);
        var manifest = await SaveAsync(Store, prefix, 5, Time);
        foreach (var blob in manifest.Blobs)
        {
            var path = Keys.Blob(blob.Address);
            await DamageAsync(path, how);

            var refused = await Assert.ThrowsAsync<DamagedBlobException>(() => ReadAsync(Store, manifest));

            Assert.Equal((blob, path), (refused.Reference, refused.Path));
            Assert.False(await Raw.KeyExistsAsync(path));
            var again = await Assert.ThrowsAsync<DamagedBlobException>(() => ReadAsync(Store, manifest));
            Assert.Equal(BlobDamage.Missing, again.Damage);
            Assert.Equal(manifest.Blobs, await Store.PutBlobsAsync(Blobs(prefix, 5)));
            await AssertRestoresAsync(Store, manifest);
        }

        Assert.Equal(manifest.Blobs.Count, Store.Usage.Damaged);
    }

    [Theory]
    [MemberData(nameof(Damages))]
    public async Task A_writer_that_meets_a_damaged_blob_replaces_it(string how)
    {
        var prefix = Prefix(1, 2, 3, 4, 5);
        var manifest = await SaveAsync(Store, prefix, 5, Time);
        await DamageAsync(Keys.Blob(manifest.Blobs[0].Address), how);

        Assert.Equal(manifest.Blobs, await Store.PutBlobsAsync(Blobs(prefix, 5)));

        if (how != "flipped by SETRANGE") // content is looked at by readers only
        {
            await AssertRestoresAsync(Store, manifest);
        }
    }

    [Theory]
    [InlineData("missing", BlobDamage.Length)]
    [InlineData("cut", BlobDamage.Length)]
    [InlineData("flipped", BlobDamage.Content)]
    [InlineData("another type", BlobDamage.Content)]
    public async Task A_damaged_piece_is_found_by_its_readers_and_its_blob_is_written_anew(string how, BlobDamage expected)
    {
        var content = new byte[(3 << 20) + 5];
        new Random(3).NextBytes(content);
        var blob = new BlobContent(BlobKind.RecurrentState, 0, 0, Digest.Of("large"u8), DType, content);
        var reference = (await Store.PutBlobsAsync([blob]))[0];
        var piece = (await KeysLikeAsync("c:*:1")).Single();
        await (how switch
        {
            "missing" => Raw.KeyDeleteAsync(piece),
            "cut" => Raw.StringSetAsync(piece, content[..1000]),
            "flipped" => (Task)Raw.StringSetRangeAsync(piece, 4711, "x"),
            _ => ReplaceByListAsync(piece),
        });

        var refused = await Assert.ThrowsAsync<DamagedBlobException>(async () => await Store.ReadBlobsAsync([new BlobDestination(reference, new byte[content.Length])]));
        Assert.Equal(expected, refused.Damage);

        Assert.Equal([reference], await Store.PutBlobsAsync([blob]));
        var read = new byte[content.Length];
        await Store.ReadBlobsAsync([new BlobDestination(reference, read)]);
        Assert.Equal(content, read);
        Assert.Equal(content.Length + BlobValue.HeadBytes, Store.Usage.Bytes);

        async Task ReplaceByListAsync(string key)
        {
            await Raw.KeyDeleteAsync(key);
            await Raw.ListRightPushAsync(key, "foreign");
        }
    }

    [Fact]
    public async Task Every_flipped_bit_of_a_blob_is_found()
    {
        var manifest = await SaveAsync(Store, Prefix(1, 2, 3), 3, Time);
        var blob = manifest.Blobs[0];
        byte[] sound = (await Raw.StringGetAsync(Keys.Blob(blob.Address)))!;
        for (var bit = 0; bit < sound.Length * 8; bit += 7)
        {
            if (bit / 8 is >= BlobHeader.ByteCount and < BlobHeader.ByteCount + 16)
            {
                continue; // the name of a write that has no pieces says nothing
            }

            var bytes = sound.ToArray();
            bytes[bit / 8] ^= (byte)(1 << (bit % 8));
            await Raw.StringSetAsync(Keys.Blob(blob.Address), bytes);
            if (bit / 8 is >= BlobHeader.ByteCount and < BlobValue.HeadBytes && BlobValue.TryRead(bytes, blob.Address, out _) is null)
            {
                continue; // another size of pieces that are none, or another case of a digit
            }

            await Assert.ThrowsAsync<DamagedBlobException>(
                async () => await Store.ReadBlobsAsync([new BlobDestination(blob, new byte[blob.Length])]));
        }
    }

    [Fact]
    public async Task Another_blob_in_its_place_is_refused()
    {
        var manifest = await SaveAsync(Store, Prefix(1, 2, 3), 3, Time);
        await Raw.StringSetAsync(Keys.Blob(manifest.Blobs[0].Address), await Raw.StringGetAsync(Keys.Blob(manifest.Blobs[1].Address)));

        var refused = await Assert.ThrowsAsync<DamagedBlobException>(() => ReadAsync(Store, manifest));

        Assert.Equal(BlobDamage.Header, refused.Damage);
        Assert.Contains("belongs to address", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Of_many_readers_of_a_damaged_blob_each_is_told_and_it_is_put_aside_once()
    {
        var manifest = await SaveAsync(Store, Prefix(1, 2, 3), 3, Time);
        await DamageAsync(Keys.Blob(manifest.Blobs[0].Address), "cut in half");

        await Task.WhenAll(Enumerable.Range(0, 16).Select(_ => Assert.ThrowsAsync<DamagedBlobException>(() => ReadAsync(Store, manifest))));

        Assert.Equal(1, Store.Usage.Damaged);
        Assert.Single(await KeysLikeAsync("q:*"));
    }

    [Fact]
    public async Task What_is_kept_of_damaged_values_is_bounded_and_expires()
    {
        var manifest = await SaveAsync(Store, Prefix(1, 2, 3), 3, Time);
        for (var i = 0; i < 80; i++)
        {
            await DamageAsync(Keys.Blob(manifest.Blobs[0].Address), "noise");
            await Store.PutBlobsAsync(Blobs(Prefix(1, 2, 3), 3));
        }

        var aside = await KeysLikeAsync("q:*");
        Assert.Equal(64, aside.Count);
        Assert.NotNull(await Raw.KeyTimeToLiveAsync(aside[0]));
    }

    [Theory]
    [MemberData(nameof(Damages))]
    public async Task A_damaged_manifest_is_reported_once_and_a_shorter_one_is_found(string how)
    {
        var prefix = Prefix(1, 2, 3, 4, 5);
        await SaveAsync(Store, prefix, 3, Time);
        var longer = await SaveAsync(Store, prefix, 5, Time);
        var path = Keys.Checkpoint(longer.Address);
        await DamageRecordAsync(path, how);

        var damaged = await Assert.ThrowsAsync<DamagedRecordException>(async () => await Store.GetCheckpointAsync(longer.Address));

        Assert.Equal(path, damaged.Path);
        Assert.Null(await Store.GetCheckpointAsync(longer.Address));
        await SaveAsync(Store, prefix, 5, Time);
        await DamageRecordAsync(path, how);
        Assert.Equal(3, (await Store.FindLongestPrefixAsync(prefix, 5))?.TokenCount);
        Assert.Equal(2, Store.Usage.Damaged);
    }

    [Theory]
    [MemberData(nameof(Damages))]
    public async Task A_damaged_turn_is_reported_and_stays(string how)
    {
        var turn = Turn(null, [1, 2], Time);
        await Store.PutTurnAsync(turn);
        var path = Keys.Turn(turn.Id);
        await DamageRecordAsync(path, how);

        var damaged = await Assert.ThrowsAsync<DamagedRecordException>(async () => await Store.GetTurnAsync(turn.Id));

        Assert.Equal(path, damaged.Path);
        Assert.True(await Raw.KeyExistsAsync(path));
    }

    [Theory]
    [InlineData("gone")]
    [InlineData("another type")]
    [InlineData("parent gone")]
    [InlineData("parent noise")]
    public async Task A_break_in_a_chain_that_a_session_needs_stops_every_deletion_of_turns(string how)
    {
        var first = Turn(null, [1, 2], Time);
        var second = Turn(first, [3], Time);
        var unreached = Turn(null, [3, 4], Time);
        foreach (var turn in (TurnRecord[])[first, second, unreached])
        {
            await Store.PutTurnAsync(turn);
        }

        Assert.True(await Store.TrySwapSessionAsync(SessionReference.Create(Alice, "chat", Model, Time.GetUtcNow()) with { Head = second.Id }, 0));
        var path = Keys.Turn(second.Id);
        await (how switch
        {
            "gone" => (Task)Raw.KeyDeleteAsync(path),
            "parent gone" => Raw.HashDeleteAsync(path, "p"),
            "parent noise" => Raw.HashSetAsync(path, "p", "noise"),
            _ => DamageRecordAsync(path, how),
        });
        Time.Advance(TimeSpan.FromHours(2));

        var report = await Store.SweepAsync();

        Assert.Contains(report.Damaged, message => message.Contains(path, StringComparison.Ordinal));
        Assert.Equal(0, report.TurnsDeleted);
        Assert.NotNull(await Store.GetTurnAsync(first.Id));
        Assert.NotNull(await Store.GetTurnAsync(unreached.Id));
    }

    [Theory]
    [MemberData(nameof(Damages))]
    public async Task A_damaged_session_is_reported_and_left_out_of_the_list_and_its_turns_stay(string how)
    {
        var turn = Turn(null, [1, 2], Time);
        await Store.PutTurnAsync(turn);
        var session = SessionReference.Create(Alice, "chat", Model, Time.GetUtcNow()) with { Head = turn.Id };
        Assert.True(await Store.TrySwapSessionAsync(session, 0));
        Assert.True(await Store.TrySwapSessionAsync(session with { Id = "other", Head = null }, 0));
        var path = Keys.Session(RedisKeys.SessionOf(Alice, "chat"));
        await DamageRecordAsync(path, how);
        Time.Advance(TimeSpan.FromHours(2));

        var damaged = await Assert.ThrowsAsync<DamagedRecordException>(async () => await Store.GetSessionAsync(Alice, "chat"));
        await Store.SweepAsync();

        Assert.Equal(path, damaged.Path);
        Assert.NotNull(await Store.GetTurnAsync(turn.Id));
        var listed = new List<string>();
        await foreach (var each in Store.ListSessionsAsync(Alice))
        {
            listed.Add(each.Id);
        }

        Assert.Equal(["other"], listed);
    }

    private async Task DamageRecordAsync(string path, string how)
    {
        if (how == "another type")
        {
            await Raw.KeyDeleteAsync(path);
            await Raw.ListRightPushAsync(path, "foreign");
            return;
        }

        byte[] bytes = (await Raw.HashGetAsync(path, "r"))!;
        if (how.StartsWith("flipped", StringComparison.Ordinal))
        {
            bytes[bytes.Length / 2] ^= 1;
            await Raw.HashSetAsync(path, "r", bytes);
            return;
        }

        await Raw.HashSetAsync(path, "r", Damaged(bytes, how));
    }
}
