using static Loire.Store.Tests.Samples;

namespace Loire.Store.Tests;

/// <summary>What every store promises. A store's tests derive from this and say how one is opened.</summary>
public abstract class CheckpointStoreContract : IAsyncLifetime
{
    private protected static readonly TimeSpan TimeToLive = TimeSpan.FromHours(1);

    private protected const int KeepCheckpoints = 3;

    private protected FakeTime Time { get; } = new();

    private protected ICheckpointStore Store { get; private set; } = null!;

    /// <summary>Opens a store that starts empty, with <see cref="TimeToLive"/> and <see cref="KeepCheckpoints"/>; closes it and opens it again later.</summary>
    private protected abstract Task<ICheckpointStore> OpenAsync();

    public virtual async Task InitializeAsync() => Store = await OpenAsync();

    public virtual async Task DisposeAsync() => await Store.DisposeAsync();

    private protected async Task ReopenAsync()
    {
        await Store.DisposeAsync();
        Store = await OpenAsync();
    }

    private async Task<SessionReference> NewSessionAsync(string id, Digest? head = null, StateOwner? owner = null)
    {
        var session = SessionReference.Create(owner ?? Alice, id, Model, Time.GetUtcNow()) with { Head = head };
        Assert.True(await Store.TrySwapSessionAsync(session, expectedEpoch: 0));
        return session;
    }

    private async Task<TurnRecord> AddTurnAsync(TurnRecord? parent, params int[] tokens)
    {
        var turn = Turn(parent, tokens, Time);
        await Store.PutTurnAsync(turn);
        return turn;
    }

    [Fact]
    public async Task A_checkpoint_comes_back_as_it_was_stored_also_after_reopening()
    {
        var prefix = Prefix(1, 2, 3, 4, 5, 6, 7, 8, 9);
        var stored = await SaveAsync(Store, prefix, 9, Time);
        await ReopenAsync();

        var found = await Store.GetCheckpointAsync(prefix.CheckpointAddress(9));

        Assert.NotNull(found);
        Assert.Equivalent(stored, found, strict: true);
        found.RequireMatch(prefix, DType);
        await AssertRestoresAsync(Store, found);
    }

    [Fact]
    public async Task What_is_not_stored_is_null()
    {
        Assert.Null(await Store.GetCheckpointAsync(Digest.Of("nothing"u8)));
        Assert.Null(await Store.GetTurnAsync(Digest.Of("nothing"u8)));
        Assert.Null(await Store.GetSessionAsync(Alice, "nobody"));
        Assert.False(await Store.DeleteSessionAsync(Alice, "nobody", expectedEpoch: 5));
    }

    [Fact]
    public async Task The_first_writer_of_an_address_wins_and_the_second_is_told_whose_bytes_are_there()
    {
        var prefix = Prefix(1, 2, 3, 4, 5);
        var first = await SaveAsync(Store, prefix, 5, Time, writer: 0);

        var second = await Store.PutBlobsAsync(Blobs(prefix, 5, writer: 1));

        Assert.Equal(first.Blobs, second);
        await AssertRestoresAsync(Store, first, writer: 0);
    }

    [Fact]
    public async Task Two_sessions_with_the_same_beginning_share_its_pages()
    {
        await SaveAsync(Store, Prefix(1, 2, 3, 4, 5, 6, 7, 8, 9), 9, Time);
        var before = Store.Usage.BlobsWritten;

        await SaveAsync(Store, Prefix(1, 2, 3, 4, 5, 6, 7, 8, 10), 9, Time);

        Assert.Equal(3, Store.Usage.BlobsWritten - before); // two recurrent states and a tail, no page
        Assert.Equal(2, Store.Usage.BlobsShared);
    }

    [Fact]
    public async Task An_address_refuses_a_blob_of_another_length()
    {
        var blob = Blobs(Prefix(1, 2, 3, 4), 4)[0];
        await Store.PutBlobsAsync([blob]);

        var refused = await Assert.ThrowsAsync<BlobConflictException>(
            async () => await Store.PutBlobsAsync([blob with { Content = new byte[99] }]));

        Assert.Contains("100 bytes", refused.Message, StringComparison.Ordinal);
        Assert.Contains("99 bytes", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_manifest_that_lists_an_unstored_blob_is_refused_with_its_address()
    {
        var prefix = Prefix(1, 2, 3);
        var references = await Store.PutBlobsAsync(Blobs(prefix, 3));
        var missing = references[0] with { Address = Digest.Of("elsewhere"u8) };

        var refused = await Assert.ThrowsAsync<MissingStateException>(async () => await Store.PutCheckpointAsync(
            CheckpointManifest.Create(prefix, 3, DType, [missing, .. references.Skip(1)], Time.GetUtcNow())));

        Assert.Equal(missing.Address, refused.Missing);
        Assert.Null(await Store.GetCheckpointAsync(prefix.CheckpointAddress(3)));
    }

    [Fact]
    public async Task A_blob_that_is_not_the_one_listed_is_refused_as_replaced_and_stays()
    {
        var prefix = Prefix(1, 2, 3);
        var manifest = await SaveAsync(Store, prefix, 3, Time);
        var other = manifest.Blobs[0] with { Checksum = new Checksum(42) };

        var refused = await Assert.ThrowsAsync<DamagedBlobException>(
            async () => await Store.ReadBlobsAsync([new BlobDestination(other, new byte[other.Length])]));

        Assert.Equal(BlobDamage.Replaced, refused.Damage);
        await AssertRestoresAsync(Store, manifest);
    }

    [Fact]
    public async Task A_destination_of_another_length_is_the_callers_mistake()
    {
        var manifest = await SaveAsync(Store, Prefix(1, 2, 3), 3, Time);

        await Assert.ThrowsAsync<ArgumentException>(
            async () => await Store.ReadBlobsAsync([new BlobDestination(manifest.Blobs[0], new byte[3])]));
    }

    [Theory]
    [InlineData(0, null)]
    [InlineData(1, null)]
    [InlineData(2, 2)]
    [InlineData(3, 3)]
    [InlineData(7, 3)]
    [InlineData(8, 8)]
    [InlineData(9, 8)]
    [InlineData(11, 11)]
    [InlineData(13, 11)]
    [InlineData(100, 11)]
    public async Task The_longest_stored_prefix_is_found_wherever_it_ends(int maxTokens, int? expected)
    {
        var stored = Prefix(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12);
        foreach (var tokens in (int[])[2, 3, 8, 11])
        {
            await SaveAsync(Store, stored, tokens, Time);
        }

        var found = await Store.FindLongestPrefixAsync(Prefix(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 99, 98, 97), maxTokens);

        Assert.Equal(expected, found?.TokenCount);
    }

    [Fact]
    public async Task A_prefix_lookup_passes_over_what_diverges_within_a_page()
    {
        await SaveAsync(Store, Prefix(1, 2, 3, 4, 5, 6), 6, Time);
        await SaveAsync(Store, Prefix(1, 2, 3, 4, 5, 7, 8), 7, Time);

        var found = await Store.FindLongestPrefixAsync(Prefix(1, 2, 3, 4, 5, 6, 8, 9), maxTokens: 8);

        Assert.Equal(6, found?.TokenCount);
        Assert.Equal((1, 0), (Store.Usage.PrefixHits, Store.Usage.PrefixMisses));
    }

    [Fact]
    public async Task Another_owner_or_model_finds_nothing()
    {
        int[] tokens = [1, 2, 3, 4, 5];
        await SaveAsync(Store, Prefix(tokens), 5, Time);

        Assert.Null(await Store.FindLongestPrefixAsync(StateAddress.Of(Model, Bob, tokens, PageTokens), 5));
        Assert.Null(await Store.FindLongestPrefixAsync(StateAddress.Of(Digest.Of("other"u8), Alice, tokens, PageTokens), 5));
        Assert.NotNull(await Store.FindLongestPrefixAsync(Prefix(tokens), 5));
    }

    [Fact]
    public async Task A_discarded_checkpoint_is_not_found_again()
    {
        var prefix = Prefix(1, 2, 3, 4, 5);
        await SaveAsync(Store, prefix, 3, Time);
        var longer = await SaveAsync(Store, prefix, 5, Time);

        await Store.DiscardCheckpointAsync(longer.Address);
        await Store.DiscardCheckpointAsync(longer.Address);

        Assert.Equal(3, (await Store.FindLongestPrefixAsync(prefix, 5))?.TokenCount);
    }

    [Fact]
    public async Task A_chain_of_turns_gives_back_tokens_and_messages()
    {
        var first = await AddTurnAsync(null, 1, 2, 3, 4);
        var second = (Turn(first, [9, 9], Time) with { KeepTokens = 2, KeepMessages = 1 }).Seal();
        await Store.PutTurnAsync(second);
        await ReopenAsync();

        var history = await Store.ReadHistoryAsync(second.Id);

        Assert.Equal([1, 2, 9, 9], history.Tokens);
        Assert.Equal([first.Messages[0], .. second.Messages], history.Messages);
        Assert.Equal([first.Id, second.Id], history.Turns.Select(turn => turn.Id));
        Assert.Equal(first.Id, await Store.AncestorAsync(second.Id, back: 1));
        Assert.Null(await Store.AncestorAsync(second.Id, back: 2));
        Assert.Empty((await Store.ReadHistoryAsync(null)).Tokens);
    }

    [Fact]
    public async Task A_turn_may_be_recorded_twice_but_not_before_its_parent_or_unsealed()
    {
        var first = await AddTurnAsync(null, 1, 2);
        await Store.PutTurnAsync(first);
        var orphan = Turn(Turn(null, [7], Time), [8], Time);

        await Assert.ThrowsAsync<MissingStateException>(async () => await Store.PutTurnAsync(orphan));
        await Assert.ThrowsAsync<ArgumentException>(async () => await Store.PutTurnAsync(first with { FinishReason = "length" }));
        Assert.Null(await Store.GetTurnAsync(orphan.Id));
        Assert.Equal(1, Store.Usage.Turns);
    }

    [Fact]
    public async Task A_session_moves_only_from_the_epoch_that_the_caller_saw()
    {
        var turn = await AddTurnAsync(null, 1, 2);
        var created = await NewSessionAsync("chat");
        var moved = created.MoveTo(turn.Id, Time.GetUtcNow());

        Assert.False(await Store.TrySwapSessionAsync(moved with { Epoch = created.Epoch + 5 }, created.Epoch + 4));
        Assert.False(await Store.TrySwapSessionAsync(created, expectedEpoch: 0));
        Assert.True(await Store.TrySwapSessionAsync(moved, created.Epoch));
        Assert.False(await Store.TrySwapSessionAsync(moved, created.Epoch));
        await ReopenAsync();
        Assert.Equal(moved, await Store.GetSessionAsync(Alice, "chat"));
    }

    [Fact]
    public async Task Refused_moves_are_counted()
    {
        var created = await NewSessionAsync("chat");

        Assert.False(await Store.TrySwapSessionAsync(created, expectedEpoch: 0));
        Assert.False(await Store.DeleteSessionAsync(Alice, "chat", created.Epoch - 1));

        Assert.Equal(2, Store.Usage.StaleCommits);
    }

    [Fact]
    public async Task A_session_never_points_at_a_turn_that_is_not_stored()
    {
        var session = SessionReference.Create(Alice, "chat", Model, Time.GetUtcNow()) with { Head = Digest.Of("nothing"u8) };

        await Assert.ThrowsAsync<MissingStateException>(async () => await Store.TrySwapSessionAsync(session, 0));

        Assert.Null(await Store.GetSessionAsync(Alice, "chat"));
    }

    [Fact]
    public async Task An_epoch_never_comes_back_when_a_session_is_deleted_and_created_anew()
    {
        var old = await NewSessionAsync("chat");
        Assert.True(await Store.DeleteSessionAsync(Alice, "chat", old.Epoch));
        Time.Advance(TimeSpan.FromSeconds(1));
        await NewSessionAsync("chat");

        Assert.False(await Store.TrySwapSessionAsync(old.MoveTo(null, Time.GetUtcNow()), old.Epoch));
    }

    [Fact]
    public async Task An_open_turn_is_kept_with_all_that_another_node_needs()
    {
        var session = await NewSessionAsync("chat");
        var open = new OpenTurn
        {
            TurnId = "t1",
            KeepTokens = 0,
            PromptTokens = [5, 6, 7],
            KeepMessages = 0,
            Messages = [new TurnMessage("user", "hello", "Ada")],
            Sampling = """{"temperature":0.5}""",
            Seed = long.MinValue,
            GeneratedTokens = [8],
            StartedAt = Time.GetUtcNow(),
        };
        Assert.True(await Store.TrySwapSessionAsync(session.Begin(open, Time.GetUtcNow()), session.Epoch));
        await ReopenAsync();

        var found = await Store.GetSessionAsync(Alice, "chat");

        Assert.Equivalent(open, found?.Open, strict: true);
    }

    [Fact]
    public async Task Names_may_have_any_characters_and_stay_apart()
    {
        string[] ids = ["a", "A", "../../etc/passwd", "a/b", "a\\b", "con", "ä", "a\u0308", " ", ".", new string('x', 512), "\0", "emoji 🦊"];
        foreach (var id in ids)
        {
            await NewSessionAsync(id);
            await NewSessionAsync(id, owner: Bob);
        }

        Assert.Equal(ids.Order(StringComparer.Ordinal), await NamesAsync(Alice));
        Assert.Equal(ids.Length, Store.Usage.Sessions / 2);
    }

    [Fact]
    public async Task A_name_that_is_empty_or_too_long_or_no_unicode_is_refused_by_field()
    {
        foreach (var id in (string[])["", new string('x', 513), "half \ud800"])
        {
            var refused = await Assert.ThrowsAsync<ArgumentException>(() => NewSessionAsync(id));
            Assert.Contains("id has", refused.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Of_many_who_move_a_session_at_once_one_wins_each_epoch()
    {
        const int Rivals = 16;
        const int Rounds = 20;
        var session = await NewSessionAsync("chat");
        for (var round = 0; round < Rounds; round++)
        {
            var from = session;
            var moves = await Task.WhenAll(Enumerable.Range(0, Rivals).Select(rival => Task.Run(async () =>
            {
                var next = from.MoveTo(null, Time.GetUtcNow()) with { Title = $"{round}/{rival}" };
                return (next.Title, Won: await Store.TrySwapSessionAsync(next, from.Epoch));
            })));

            var winner = Assert.Single(moves, move => move.Won);
            session = await Store.GetSessionAsync(Alice, "chat") ?? throw new InvalidOperationException("The session is gone.");
            Assert.Equal(winner.Title, session.Title);
            Assert.Equal(from.Epoch + 1, session.Epoch);
        }

        Assert.Equal((Rivals - 1) * Rounds, Store.Usage.StaleCommits);
    }

    [Fact]
    public async Task A_fork_goes_its_own_way_and_survives_its_origin()
    {
        var prefix = Prefix(1, 2, 3, 4, 5);
        var manifest = await SaveAsync(Store, prefix, 5, Time);
        var turn = Turn(null, [1, 2, 3, 4, 5], Time, manifest);
        await Store.PutTurnAsync(turn);
        var origin = await NewSessionAsync("origin", turn.Id);
        Assert.True(await Store.TrySwapSessionAsync(origin.Fork("branch", Time.GetUtcNow()), 0));
        Assert.True(await Store.DeleteSessionAsync(Alice, "origin", origin.Epoch));
        Time.Advance(TimeToLive * 3);

        await Store.SweepAsync();

        var branch = await Store.GetSessionAsync(Alice, "branch");
        Assert.Equal(new ForkPoint("origin", turn.Id), branch?.ForkedFrom);
        Assert.Equal([1, 2, 3, 4, 5], (await Store.ReadHistoryAsync(branch?.Head)).Tokens);
        await AssertRestoresAsync(Store, await Store.GetCheckpointAsync(manifest.Address) ?? throw new InvalidOperationException("Swept."));
    }

    [Fact]
    public async Task A_sweep_keeps_every_turn_of_a_session_and_the_state_of_the_newest()
    {
        var prefix = Prefix();
        TurnRecord? turn = null;
        for (var i = 0; i < 10; i++)
        {
            prefix.Append([i, i + 1, i + 2]);
            turn = Turn(turn, [i, i + 1, i + 2], Time, await SaveAsync(Store, prefix, prefix.TokenCount, Time));
            await Store.PutTurnAsync(turn);
        }

        await NewSessionAsync("chat", turn?.Id);
        Time.Advance(TimeToLive * 3);
        var report = await Store.SweepAsync();

        Assert.Equal((10, 0), (report.TurnsKept, report.TurnsDeleted));
        Assert.Equal((KeepCheckpoints, 10 - KeepCheckpoints), (report.CheckpointsKept, report.CheckpointsDeleted));
        Assert.Equal(30, (await Store.ReadHistoryAsync(turn?.Id)).Tokens.Count);
        for (var back = 0; back < 10; back++)
        {
            var manifest = await Store.GetCheckpointAsync(prefix.CheckpointAddress(30 - (3 * back)));
            Assert.Equal(back < KeepCheckpoints, manifest is not null);
            if (manifest is not null)
            {
                await AssertRestoresAsync(Store, manifest);
            }
        }
    }

    [Fact]
    public async Task What_no_session_reaches_goes_after_its_time_to_live_and_not_before()
    {
        await SaveAsync(Store, Prefix(1, 2, 3, 4, 5), 5, Time);
        await AddTurnAsync(await AddTurnAsync(null, 1), 2);
        Time.Advance(TimeToLive);
        Assert.Equal(0, (await Store.SweepAsync()).BytesFreed);

        Time.Advance(TimeSpan.FromSeconds(1));
        var report = await Store.SweepAsync();

        Assert.Equal((2, 1, 4), (report.TurnsDeleted, report.CheckpointsDeleted, report.BlobsDeleted));
        Assert.Equal((0, 0, 0), (Store.Usage.Turns, Store.Usage.Checkpoints, Store.Usage.Blobs));
        Assert.Null(await Store.FindLongestPrefixAsync(Prefix(1, 2, 3, 4, 5), 5));
    }

    [Fact]
    public async Task Using_state_starts_its_time_to_live_again()
    {
        var prefix = Prefix(1, 2, 3, 4, 5);
        await SaveAsync(Store, prefix, 5, Time);
        for (var i = 0; i < 5; i++)
        {
            Time.Advance(TimeToLive * 0.9);
            Assert.NotNull(await Store.FindLongestPrefixAsync(prefix, 5));
            await Store.SweepAsync();
        }

        await AssertRestoresAsync(Store, await Store.GetCheckpointAsync(prefix.CheckpointAddress(5)) ?? throw new InvalidOperationException("Swept."));
    }

    [Fact]
    public async Task A_blob_that_a_writer_found_stored_stays_until_its_checkpoint_lists_it()
    {
        var prefix = Prefix(1, 2, 3, 4, 5);
        await Store.PutBlobsAsync(Blobs(prefix, 5));
        Time.Advance(TimeToLive * 2);
        var references = await Store.PutBlobsAsync(Blobs(prefix, 5));

        await Store.SweepAsync();
        await Store.PutCheckpointAsync(CheckpointManifest.Create(prefix, 5, DType, references, Time.GetUtcNow()));

        Assert.Equal(4, Store.Usage.BlobsShared);
    }

    [Fact]
    public async Task Sessions_are_listed_by_owner()
    {
        await NewSessionAsync("a1");
        await NewSessionAsync("b1", owner: Bob);
        var gone = await NewSessionAsync("a2");
        Assert.True(await Store.DeleteSessionAsync(Alice, "a2", gone.Epoch));

        Assert.Equal(["a1"], await NamesAsync(Alice));
        Assert.Equal(["b1"], await NamesAsync(Bob));
        Assert.Empty(await NamesAsync(StateOwner.Shared));
    }

    [Fact]
    public async Task Cancelled_before_it_begins_a_call_does_nothing()
    {
        using var cancelled = new CancellationTokenSource();
        await cancelled.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(
            async () => await Store.PutBlobsAsync(Blobs(Prefix(1, 2, 3), 3), cancelled.Token));

        Assert.Equal(0, Store.Usage.Blobs);
    }

    private async Task<List<string>> NamesAsync(StateOwner owner)
    {
        var names = new List<string>();
        await foreach (var session in Store.ListSessionsAsync(owner))
        {
            names.Add(session.Id);
        }

        names.Sort(StringComparer.Ordinal);
        return names;
    }
}
