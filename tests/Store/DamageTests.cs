using static Loire.Store.Tests.Samples;

namespace Loire.Store.Tests;

/// <summary>Files cut short, flipped, emptied or exchanged: reported by name, never believed, and in nobody's way.</summary>
public sealed class DamageTests : DirectoryStoreTestBase
{
    public static TheoryData<string> Damages => ["empty", "one byte", "cut in half", "last byte gone", "one byte more", "noise", "zeros", "directory"];

    private static void Damage(string path, string how)
    {
        var bytes = File.ReadAllBytes(path);
        if (how == "directory")
        {
            File.Delete(path);
            Directory.CreateDirectory(path);
            return;
        }

        var random = new Random(11);
        var noise = new byte[bytes.Length];
        random.NextBytes(noise);
        File.WriteAllBytes(path, how switch
        {
            "empty" => [],
            "one byte" => bytes[..1],
            "cut in half" => bytes[..(bytes.Length / 2)],
            "last byte gone" => bytes[..^1],
            "one byte more" => [.. bytes, 0],
            "noise" => noise,
            "zeros" => new byte[bytes.Length],
            _ => throw new ArgumentException(how),
        });
    }

    [Theory]
    [MemberData(nameof(Damages))]
    public async Task A_damaged_blob_is_refused_put_aside_and_written_anew(string how)
    {
        var prefix = Prefix(1, 2, 3, 4, 5);
        var manifest = await SaveAsync(Store, prefix, 5, Time);
        foreach (var blob in manifest.Blobs)
        {
            var path = Store.Paths.Blob(blob.Address);
            Damage(path, how);

            var refused = await Assert.ThrowsAsync<DamagedBlobException>(() => ReadAsync(Store, manifest));

            Assert.Equal((blob, path), (refused.Reference, refused.Path));
            Assert.Contains(path, refused.Message, StringComparison.Ordinal);
            Assert.False(Path.Exists(path));
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
        Damage(Store.Paths.Blob(manifest.Blobs[0].Address), how);

        var references = await Store.PutBlobsAsync(Blobs(prefix, 5));

        Assert.Equal(manifest.Blobs, references);
        if (how is "noise" or "zeros" or "empty" or "directory")
        {
            await AssertRestoresAsync(Store, manifest);
        }
    }

    [Fact]
    public async Task Every_flipped_bit_of_a_blob_is_found()
    {
        var manifest = await SaveAsync(Store, Prefix(1, 2, 3), 3, Time);
        var blob = manifest.Blobs[0];
        var path = Store.Paths.Blob(blob.Address);
        var sound = await File.ReadAllBytesAsync(path);
        for (var bit = 0; bit < sound.Length * 8; bit += 3)
        {
            var bytes = sound.ToArray();
            bytes[bit / 8] ^= (byte)(1 << (bit % 8));
            await File.WriteAllBytesAsync(path, bytes);

            await Assert.ThrowsAsync<DamagedBlobException>(
                async () => await Store.ReadBlobsAsync([new BlobDestination(blob, new byte[blob.Length])]));
        }
    }

    [Fact]
    public async Task Another_blob_in_its_place_is_refused()
    {
        var manifest = await SaveAsync(Store, Prefix(1, 2, 3), 3, Time);
        File.Copy(Store.Paths.Blob(manifest.Blobs[1].Address), Store.Paths.Blob(manifest.Blobs[0].Address), overwrite: true);

        var refused = await Assert.ThrowsAsync<DamagedBlobException>(() => ReadAsync(Store, manifest));

        Assert.Equal(BlobDamage.Header, refused.Damage);
        Assert.Contains("belongs to address", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Of_many_readers_of_a_damaged_blob_each_is_told_and_it_is_put_aside_once()
    {
        var manifest = await SaveAsync(Store, Prefix(1, 2, 3), 3, Time);
        Damage(Store.Paths.Blob(manifest.Blobs[0].Address), "cut in half");

        await Task.WhenAll(Enumerable.Range(0, 16).Select(_ => Assert.ThrowsAsync<DamagedBlobException>(() => ReadAsync(Store, manifest))));

        Assert.Equal(1, Store.Usage.Damaged);
        Assert.Single(Directory.EnumerateFiles(Store.Paths.Quarantine));
    }

    [Fact]
    public async Task What_is_kept_of_damaged_files_is_bounded_and_goes_with_its_time_to_live()
    {
        var manifest = await SaveAsync(Store, Prefix(1, 2, 3), 3, Time);
        for (var i = 0; i < 100; i++)
        {
            Damage(Store.Paths.Blob(manifest.Blobs[0].Address), "noise");
            await Store.PutBlobsAsync(Blobs(Prefix(1, 2, 3), 3));
        }

        Assert.Equal(64, Directory.EnumerateFiles(Store.Paths.Quarantine).Count());
        Time.Advance(TimeSpan.FromHours(2));
        await Store.SweepAsync();
        Assert.Empty(Directory.EnumerateFiles(Store.Paths.Quarantine));
    }

    [Theory]
    [MemberData(nameof(Damages))]
    public async Task A_damaged_manifest_is_reported_once_and_a_shorter_one_is_found(string how)
    {
        var prefix = Prefix(1, 2, 3, 4, 5);
        await SaveAsync(Store, prefix, 3, Time);
        var longer = await SaveAsync(Store, prefix, 5, Time);
        var path = Store.Paths.Checkpoint(longer.Address);
        Damage(path, how);

        var damaged = await Assert.ThrowsAsync<DamagedRecordException>(async () => await Store.GetCheckpointAsync(longer.Address));

        Assert.Equal(path, damaged.Path);
        Assert.Null(await Store.GetCheckpointAsync(longer.Address));
        await SaveAsync(Store, prefix, 5, Time);
        Damage(path, how == "directory" ? "empty" : how);
        Assert.Equal(3, (await Store.FindLongestPrefixAsync(prefix, 5))?.TokenCount);
        Assert.Equal(2, Store.Usage.Damaged);
    }

    [Theory]
    [MemberData(nameof(Damages))]
    public async Task A_damaged_turn_is_reported_and_stops_every_deletion_of_turns(string how)
    {
        var reached = Turn(null, [1, 2], Time);
        var unreached = Turn(null, [3, 4], Time);
        await Store.PutTurnAsync(reached);
        await Store.PutTurnAsync(unreached);
        Assert.True(await Store.TrySwapSessionAsync(SessionReference.Create(Alice, "chat", Model, Time.GetUtcNow()) with { Head = reached.Id }, 0));
        var path = Store.Paths.Turn(reached.Id);
        Damage(path, how);
        Time.Advance(TimeSpan.FromHours(2));

        var damaged = await Assert.ThrowsAsync<DamagedRecordException>(async () => await Store.GetTurnAsync(reached.Id));
        var report = await Store.SweepAsync();

        Assert.Equal(path, damaged.Path);
        Assert.Contains(report.Damaged, message => message.Contains(path, StringComparison.Ordinal));
        Assert.Equal(0, report.TurnsDeleted);
        Assert.True(Path.Exists(path));
        Assert.NotNull(await Store.GetTurnAsync(unreached.Id));
    }

    [Fact]
    public async Task A_damaged_turn_that_nothing_reaches_goes_with_the_others()
    {
        var turn = Turn(null, [3, 4], Time);
        await Store.PutTurnAsync(turn);
        Damage(Store.Paths.Turn(turn.Id), "noise");
        File.SetLastWriteTimeUtc(Store.Paths.Turn(turn.Id), Time.GetUtcNow().UtcDateTime);
        Time.Advance(TimeSpan.FromHours(2));

        var report = await Store.SweepAsync();

        Assert.Equal(1, report.TurnsDeleted);
        Assert.Single(report.Damaged);
    }

    [Theory]
    [MemberData(nameof(Damages))]
    public async Task A_damaged_session_is_reported_left_out_of_the_list_and_its_turns_stay(string how)
    {
        var turn = Turn(null, [1, 2], Time);
        await Store.PutTurnAsync(turn);
        var session = SessionReference.Create(Alice, "chat", Model, Time.GetUtcNow()) with { Head = turn.Id };
        Assert.True(await Store.TrySwapSessionAsync(session, 0));
        Assert.True(await Store.TrySwapSessionAsync(session with { Id = "other", Head = null }, 0));
        var path = Store.Paths.Session(Alice, "chat");
        Damage(path, how);
        Time.Advance(TimeSpan.FromHours(2));

        var damaged = await Assert.ThrowsAsync<DamagedRecordException>(async () => await Store.GetSessionAsync(Alice, "chat"));
        await Assert.ThrowsAsync<DamagedRecordException>(
            async () => await Store.TrySwapSessionAsync(session.MoveTo(null, Time.GetUtcNow()), session.Epoch));
        await Store.SweepAsync();

        Assert.Equal(path, damaged.Path);
        Assert.True(Path.Exists(path));
        if (how != "directory")
        {
            Assert.NotNull(await Store.GetTurnAsync(turn.Id));
        }

        var listed = new List<string>();
        await foreach (var each in Store.ListSessionsAsync(Alice))
        {
            listed.Add(each.Id);
        }

        Assert.Equal(["other"], listed);
    }

    [Fact]
    public async Task Random_damage_to_any_record_is_an_error_that_names_its_file()
    {
        var random = new Random(5);
        var turn = Turn(null, [1, 2, 3, 4], Time);
        await Store.PutTurnAsync(turn);
        Assert.True(await Store.TrySwapSessionAsync(SessionReference.Create(Alice, "chat", Model, Time.GetUtcNow()), 0));
        var path = new[] { Store.Paths.Turn(turn.Id), Store.Paths.Session(Alice, "chat") };
        foreach (var file in path)
        {
            var sound = await File.ReadAllBytesAsync(file);
            for (var i = 0; i < 400; i++)
            {
                var bytes = sound.AsSpan(0, random.Next(3) == 0 ? random.Next(sound.Length) : sound.Length).ToArray();
                for (var flips = random.Next(4); flips >= 0 && bytes.Length > 0; flips--)
                {
                    bytes[random.Next(bytes.Length)] ^= (byte)(1 << random.Next(8));
                }

                await File.WriteAllBytesAsync(file, bytes);
                if (bytes.AsSpan().SequenceEqual(sound))
                {
                    continue;
                }

                var damaged = await Assert.ThrowsAsync<DamagedRecordException>(async () =>
                {
                    await Store.GetTurnAsync(turn.Id);
                    await Store.GetSessionAsync(Alice, "chat");
                });
                Assert.Equal(file, damaged.Path);
            }

            await File.WriteAllBytesAsync(file, sound);
        }
    }

    [Theory]
    [InlineData("null", "$")]
    [InlineData("[]", "$")]
    [InlineData("{}", "$")]
    [InlineData("{\"formatVersion\":1", "$")]
    [InlineData("formatVersion:1→99", "formatVersion is 99")]
    [InlineData("layoutVersion:1→7", "layoutVersion is 7")]
    [InlineData("tokenCount:5→-5", "tokenCount is -5")]
    [InlineData("tokenCount:5→99999999999", "tokenCount")]
    [InlineData("pageTokens:4→0", "pageTokens is 0")]
    [InlineData("\"layer\":2→-2", "layer is -2")]
    [InlineData("\"length\":64→-1", "length is -1")]
    [InlineData("\"page\":0,→\"page\":7,", "page is 7")]
    [InlineData("\"kind\":\"RecurrentState\"→\"kind\":\"Nonsense\"", "blobs[0].kind")]
    [InlineData("\"dType\":\"f32\",\"tokenCount\"→\"dType\":\"bf16\",\"tokenCount\"", "dType is f32")]
    [InlineData("\"blobs\":[→\"blobs\":[null,", "blobs[0] is null")]
    [InlineData("\"tokenDigest\":\"→\"tokenDigest\":\"x", "tokenDigest")]
    public async Task A_sound_file_with_an_impossible_manifest_names_the_field(string change, string expected)
    {
        var manifest = await SaveAsync(Store, Prefix(1, 2, 3, 4, 5), 5, Time);
        var body = Change(System.Text.Encoding.UTF8.GetString(StoreJson.Serialize(manifest)), change);
        var bytes = System.Text.Encoding.UTF8.GetBytes(body);
        await File.WriteAllBytesAsync(Store.Paths.Checkpoint(manifest.Address), [.. RecordFormats.Checkpoints.Head(bytes), .. bytes]);

        var damaged = await Assert.ThrowsAsync<DamagedRecordException>(async () => await Store.GetCheckpointAsync(manifest.Address));

        Assert.Contains(expected, damaged.Message, StringComparison.Ordinal);
    }

    private static string Change(string body, string change)
    {
        if (change.Split('→') is not [var from, var to])
        {
            return change;
        }

        if (from.Split(':') is [var field, var value] && !field.Contains('"', StringComparison.Ordinal))
        {
            (from, to) = ($"\"{field}\":{value}", $"\"{field}\":{to}");
        }
        else if (from.EndsWith(":2", StringComparison.Ordinal) || from.EndsWith(":64", StringComparison.Ordinal))
        {
            to = from[..(from.IndexOf(':', StringComparison.Ordinal) + 1)] + to;
        }

        var at = to.Contains("\"page\":7", StringComparison.Ordinal)
            ? body.IndexOf(from, body.IndexOf("KeyValuePage", StringComparison.Ordinal), StringComparison.Ordinal)
            : body.IndexOf(from, StringComparison.Ordinal);
        Assert.True(at >= 0, $"'{from}' is not in the manifest: {body}");
        return body[..at] + to + body[(at + from.Length)..];
    }
}
