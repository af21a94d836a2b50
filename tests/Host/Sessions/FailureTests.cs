using Loire.Contracts;
using Loire.Engine.Replica;
using Loire.Silo.Models;
using Loire.Silo.Cluster;
using Loire.Store;

namespace Loire.Host.Tests;

public sealed class FailureTests
{
    [Theory]
    [InlineData("PutBlobsAsync")]
    [InlineData("PutCheckpointAsync")]
    [InlineData("PutTurnAsync")]
    public Task A_full_store_fails_the_turn_and_the_old_head_stands(string operation) => World.RunAsync(async world =>
    {
        await world.RunTurnAsync("hello", "t1");
        var before = await world.ViewAsync();
        world.Store.Fill(operation);

        var failed = await Assert.ThrowsAsync<ClusterException>(() => world.RunTurnAsync("again", "t2"));

        Assert.Equal(FailureCode.StoreUnavailable, failed.Code);
        Assert.Contains("The disk is full", failed.Message);
        Assert.Equal(0, world.Engine.Load.Running);
        var after = await world.ViewAsync();
        Assert.Equal((before.Head, 1), (after.Head, after.History.Length)); // not shown as interrupted either: the open turn is cleared
        world.Store.Heal();
        Assert.Equal("ok", World.TextOf(await world.RunTurnAsync("again", "t3")));
        Assert.Equal(2, (await world.ViewAsync()).Turns);
    });

    [Fact]
    public Task A_store_that_is_full_before_the_turn_begins_costs_no_slot() => World.RunAsync(async world =>
    {
        world.Store.Fill("TrySwapSessionAsync");
        var failed = await Assert.ThrowsAsync<ClusterException>(() => world.RunTurnAsync("hello", "t1"));

        Assert.Equal(FailureCode.StoreUnavailable, failed.Code);
        Assert.Empty(world.Replica.Asked);
    });

    [Fact]
    public Task A_full_store_does_not_fail_a_turn_that_is_not_kept() => World.RunAsync(async world =>
    {
        world.Store.Fill("PutBlobsAsync");
        var events = await World.ReadAsync(world.Session().RunAsync(World.Request("hello", "t1") with { KeepSession = false }, CancellationToken.None));

        Assert.Equal("ok", World.TextOf(events));
    });

    [Fact]
    public Task An_engine_that_fails_in_mid_turn_fails_only_that_turn() => World.RunAsync(async world =>
    {
        await world.RunTurnAsync("hello", "t1");
        world.Engine.Next(new Script { Tokens = ByteTokens.Of("abcdef"), FailAfter = 3 });

        var failed = await Assert.ThrowsAsync<ClusterException>(() => world.RunTurnAsync("again", "t2"));

        Assert.Equal(FailureCode.Internal, failed.Code);
        Assert.Contains("The device is on fire.", failed.Message);
        Assert.Single((await world.ViewAsync()).History);
        Assert.Equal("ok", World.TextOf(await world.RunTurnAsync("again", "t3")));
    });

    [Fact]
    public Task A_crowded_engine_says_when_to_come_back() => World.RunAsync(async world =>
    {
        world.Engine.Next(new Script { Tokens = [], RefuseStart = new EngineBusyException("1024 sequences wait.") });
        var refused = await Assert.ThrowsAsync<ClusterException>(() => world.RunTurnAsync("hello", "t1"));

        Assert.Equal(FailureCode.NoCapacity, refused.Code);
        Assert.NotNull(refused.RetryAfter);
    });

    [Fact]
    public Task A_turn_that_a_full_store_does_not_take_is_committed_once_there_is_room() => World.RunAsync(async world =>
    {
        await world.RunTurnAsync("hello", "t1");
        var request = await World.NextAsync(world.Session(), "again", "t2");
        world.Engine.Next("abc");
        world.Store.Before = name => name == "PutTurnAsync" ? Task.FromException(new StoreFullException("Redis is full.")) : Task.CompletedTask;
        var events = new List<TurnEvent>();
        var full = await Assert.ThrowsAsync<ClusterException>(async () =>
        {
            await foreach (var item in world.Session().RunAsync(request, CancellationToken.None))
            {
                events.Add(item);
            }
        });
        Assert.Equal((FailureCode.StoreUnavailable, true), (full.Code, full.RetryAfter is not null)); // what a gateway waits for
        Assert.Equal("abc", World.TextOf(events));

        world.Store.Heal();
        var rest = await World.ReadAsync(world.Session().RunAsync(request with { Delivered = [.. World.TokensOf(events)] }, CancellationToken.None));

        Assert.Equal("", World.TextOf(rest));
        Assert.Equal(["ok", "abc"], (await world.ViewAsync()).History.Select(turn => turn.Messages[^1].Content));
    });

    [Fact]
    public Task A_prompt_that_fills_the_context_is_refused() => World.RunAsync(async world =>
    {
        var refused = await Assert.ThrowsAsync<ClusterException>(() => world.RunTurnAsync(new string('x', 4096), "t1"));
        Assert.Equal(FailureCode.ContextTooLong, refused.Code);
    });

    [Fact]
    public Task Of_two_activations_the_older_loses_loudly_and_then_learns() => World.RunAsync(async world =>
    {
        await world.RunTurnAsync("hello", "t1");
        var older = world.Session();
        _ = await older.GetAsync();
        var newer = world.Activate();
        await World.ReadAsync(newer.RunAsync(await World.NextAsync(newer, "mine", "t2"), CancellationToken.None));

        var lost = await Assert.ThrowsAsync<ClusterException>(() => world.RunTurnAsync("no, mine", "t3"));

        Assert.Equal(FailureCode.StaleEpoch, lost.Code);
        Assert.Equal(2, (await world.ViewAsync()).Turns);
        Assert.Equal("ok", World.TextOf(await world.RunTurnAsync("mine at last", "t4")));
    });

    [Fact]
    public Task An_activation_that_is_overtaken_in_mid_turn_cannot_commit() => World.RunAsync(async world =>
    {
        var script = world.Engine.Next(new Script { Tokens = ByteTokens.Of("abc"), PauseAfter = 1 });
        var older = World.ReadAsync(world.Session().RunAsync(World.Request("one", "t1"), CancellationToken.None));
        await script.Paused.Task;
        var newer = world.Activate();
        await World.ReadAsync(newer.RunAsync(World.Request("two", "t2"), CancellationToken.None));

        script.Resume();

        Assert.Equal(FailureCode.StaleEpoch, (await Assert.ThrowsAsync<ClusterException>(() => older)).Code);
        var view = await world.ViewAsync();
        Assert.Equal((1, "t2"), (view.Turns, view.History[0].TurnId));
    });

    [Fact]
    public Task A_crash_between_record_and_reference_leaves_the_old_head_and_an_interrupted_turn() => World.RunAsync(async world =>
    {
        await world.RunTurnAsync("hello", "t1");
        var head = (await world.ViewAsync()).Head;
        var swaps = 0;
        world.Store.Before = name => name == "TrySwapSessionAsync" && ++swaps > 1 ? Task.FromException(new StoreFullException("The process is gone.")) : Task.CompletedTask;
        var request = await World.NextAsync(world.Session(), "again", "t2");
        await Assert.ThrowsAsync<ClusterException>(() => World.ReadAsync(world.Session().RunAsync(request, CancellationToken.None)));
        await world.RestartAsync();

        var view = await world.ViewAsync();
        Assert.Equal((head, 1, null), (view.Head, view.Turns, view.RunningTurn));
        var interrupted = view.History[^1];
        Assert.Equal(("interrupted", "t2", "again"), (interrupted.FinishReason, interrupted.TurnId, interrupted.Messages[0].Content));

        var events = await World.ReadAsync(world.Session().RunAsync(request, CancellationToken.None)); // the client's retry
        Assert.Equal("ok", World.TextOf(events));
        Assert.Equal(["stop", "stop"], (await world.ViewAsync()).History.Select(turn => turn.FinishReason));
    });

    [Fact]
    public Task A_state_that_cannot_be_read_for_a_moment_is_computed_anew_and_found_again_later() => World.RunAsync(async world =>
    {
        await world.RunTurnAsync(new string('a', 150), "t1");
        await world.RestartAsync();
        world.Store.Before = name => name == "ReadBlobsAsync"
            ? Task.FromException(new StoreUnavailableException("Too many open files.", new IOException()))
            : Task.CompletedTask;
        var computed = await world.RunTurnAsync("again", "t2");
        world.Store.Heal();
        await world.RestartAsync();

        var found = await world.RunTurnAsync("and again", "t3");

        Assert.Equal((0, StateSource.Prefill), (computed[0].Start!.CachedTokens, computed[0].Start!.Source));
        Assert.Contains("could not be read now", computed[0].Start!.Warning);
        Assert.Equal(StateSource.Store, found[0].Start!.Source);
    });

    [Fact]
    public Task A_lost_manifest_is_told_and_the_longest_state_before_it_used() => World.RunAsync(async world =>
    {
        await world.RunTurnAsync(new string('a', 150), "t1");
        var first = (await world.ViewAsync()).CheckpointTokens;
        await world.RunTurnAsync(new string('b', 150), "t2");
        var newest = (await world.ViewAsync()).Checkpoint!;
        await world.Store.DiscardCheckpointAsync(Digest.Parse(newest));
        await world.RestartAsync();

        var events = await world.RunTurnAsync("again", "t3");

        Assert.Equal(first, events[0].Start!.CachedTokens);
        Assert.Contains($"its first {first} tokens", events[0].Start!.Warning);
    });

    [Fact]
    public Task A_damaged_blob_is_named_and_the_state_computed_and_stored_anew() => World.RunAsync(async world =>
    {
        await world.RunTurnAsync(new string('a', 150), "t1");
        await world.RestartAsync();
        foreach (var blob in Directory.EnumerateFiles(Path.Combine(world.BlobDirectory, "blobs"), "*", SearchOption.AllDirectories))
        {
            var bytes = await File.ReadAllBytesAsync(blob);
            bytes[^1] ^= 0x40;
            await File.WriteAllBytesAsync(blob, bytes);
        }

        var events = await world.RunTurnAsync("again", "t2");

        Assert.Equal((158, 0, StateSource.Prefill), (events[0].Start!.PromptTokens, events[0].Start!.CachedTokens, events[0].Start!.Source));
        Assert.Contains("layer", events[0].Start!.Warning);
        Assert.Contains(nameof(BlobDamage.Content), events[0].Start!.Warning);
        Assert.DoesNotContain(world.BlobDirectory, events[0].Start!.Warning); // clients need not know the server's paths
        await world.RestartAsync();
        var healed = await world.RunTurnAsync("and again", "t3");
        Assert.Equal((StateSource.Store, 160), (healed[0].Start!.Source, healed[0].Start!.CachedTokens));
        Assert.Null(healed[0].Start!.Warning);
    });

    [Fact]
    public Task A_session_whose_newest_turn_is_damaged_is_listed_and_can_be_deleted() => World.RunAsync(async world =>
    {
        await world.RunTurnAsync("hello", "t1", "sound");
        await world.RunTurnAsync("damaged", "t1");
        var head = (await world.ViewAsync()).Head!;
        await world.RestartAsync();
        await File.WriteAllTextAsync(Path.Combine(world.BlobDirectory, "turns", head[..2], $"{head}.json"), "{}");

        var refused = await Assert.ThrowsAsync<ClusterException>(() => world.Session().GetAsync());
        var page = await new SessionListing(world.Store, new ModelCatalog([World.Model])).ReadAsync(SessionKey.LocalOwner, null, 10);

        Assert.Equal(FailureCode.StoreUnavailable, refused.Code);
        Assert.Contains("cannot be read", refused.Message, StringComparison.Ordinal);
        Assert.Equal([("chat", head, 0), ("sound", page.Sessions[1].Head, 1)], page.Sessions.Select(session => (session.Id, session.Head, session.Turns)));
        Assert.True(await world.Session().DeleteAsync());
        Assert.False(await world.Session().DeleteAsync());
        Assert.Null(await world.Session().GetAsync());
    });

    [Fact]
    public Task An_unknown_model_is_named() => World.RunAsync(async world =>
    {
        var request = World.Request("hello", "t1") with { Model = "nobody" };
        var refused = await Assert.ThrowsAsync<ClusterException>(() => World.ReadAsync(world.Session().RunAsync(request, CancellationToken.None)));

        Assert.Equal((FailureCode.NotFound, "model"), (refused.Code, refused.Field));
    });
}
