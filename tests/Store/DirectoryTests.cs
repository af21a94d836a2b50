using System.ComponentModel.DataAnnotations;
using System.Diagnostics;
using static Loire.Store.Tests.Samples;

namespace Loire.Store.Tests;

/// <summary>What is particular to a store on disk: who may open it, what a crash leaves, how full it may get.</summary>
public sealed class DirectoryTests : DirectoryStoreTestBase
{
    [Fact]
    public void A_second_opening_is_refused_and_names_the_process()
    {
        var refused = Assert.Throws<StoreInUseException>(() => Open());

        Assert.Contains($"process {Environment.ProcessId}", refused.Message, StringComparison.Ordinal);
        Assert.Contains(Root, refused.Message, StringComparison.Ordinal);
    }

    [FlockFact]
    public async Task Another_process_cannot_take_the_lock_while_the_store_is_open_and_can_after()
    {
        Assert.Equal(1, await RunAsync("flock", "-n", Store.Paths.Lock, "true"));
        await Store.DisposeAsync();
        Assert.Equal(0, await RunAsync("flock", "-n", Store.Paths.Lock, "true"));
        await ReopenAsync();
    }

    [FlockFact]
    public async Task A_store_that_another_process_holds_is_refused()
    {
        await Store.DisposeAsync();
        using var holder = Process.Start(new ProcessStartInfo("flock", ["-n", Store.Paths.Lock, "sh", "-c", "echo held; read line"])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
        }) ?? throw new InvalidOperationException("flock did not start.");
        Assert.Equal("held", await holder.StandardOutput.ReadLineAsync());

        Assert.Throws<StoreInUseException>(() => Open());

        await holder.StandardInput.WriteLineAsync("go");
        await holder.WaitForExitAsync();
        await ReopenAsync();
    }

    [Fact]
    public void An_option_out_of_range_is_refused_by_name()
    {
        var refused = Assert.Throws<ValidationException>(() => Open(new DirectoryStoreOptions { Path = Root, Workers = 0 }));

        Assert.Contains(nameof(DirectoryStoreOptions.Workers), refused.Message, StringComparison.Ordinal);
        Assert.Throws<ValidationException>(() => Open(new DirectoryStoreOptions { Path = Root, MaxBytes = 1 }));
        Assert.Throws<ValidationException>(() => Open(new DirectoryStoreOptions { Path = Root, TimeToLive = TimeSpan.FromSeconds(-1) }));
    }

    [Fact]
    public async Task A_path_may_end_in_a_separator_and_be_made_on_the_way()
    {
        using var directory = new TempDirectory();
        var options = new DirectoryStoreOptions { Path = Path.Combine(directory.Path, "a", "b") + "/", TimeToLive = TimeSpan.Zero };
        await using var store = Open(options);

        Assert.True(await store.TrySwapSessionAsync(SessionReference.Create(Alice, "chat", Model, Time.GetUtcNow()), 0));
        Assert.Empty((await store.SweepAsync()).Damaged);
        Assert.NotNull(await store.GetSessionAsync(Alice, "chat"));
    }

    [Fact]
    public void A_path_that_cannot_be_a_directory_is_an_error_of_the_store()
    {
        var file = Path.Combine(Root, "store.json");

        Assert.ThrowsAny<StoreException>(() => Open(new DirectoryStoreOptions { Path = file }));
        Assert.ThrowsAny<StoreException>(() => Open(new DirectoryStoreOptions { Path = Path.Combine(file, "below") }));
    }

    [Fact]
    public async Task After_closing_every_write_is_refused()
    {
        await Store.DisposeAsync();

        await Assert.ThrowsAsync<ObjectDisposedException>(() => SaveAsync(Store, Prefix(1, 2, 3), 3, Time));
        await ReopenAsync();
    }

    [Fact]
    public void A_directory_with_something_else_in_it_is_refused()
    {
        using var other = new TempDirectory();
        File.WriteAllText(Path.Combine(other.Path, "thesis.doc"), "years of work");

        var refused = Assert.Throws<DamagedRecordException>(() => Open(new DirectoryStoreOptions { Path = other.Path }));

        Assert.Contains("thesis.doc", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_store_of_another_version_is_refused()
    {
        await Store.DisposeAsync();
        var sound = await File.ReadAllTextAsync(Store.Paths.Format);
        await File.WriteAllTextAsync(Store.Paths.Format, """{"format":"loire.store","version":2}""");

        Assert.Throws<DamagedRecordException>(() => Open());

        await File.WriteAllTextAsync(Store.Paths.Format, sound);
        await ReopenAsync();
    }

    [Fact]
    public async Task What_a_crash_left_half_written_is_gone_after_opening_and_what_was_there_stands()
    {
        var manifest = await SaveAsync(Store, Prefix(1, 2, 3), 3, Time);
        var before = Store.Usage;
        await Store.DisposeAsync();
        await File.WriteAllBytesAsync(Path.Combine(Store.Paths.Temp, "1"), new byte[10_000]);
        await File.WriteAllBytesAsync(Path.Combine(Store.Paths.Temp, "2"), []);

        await ReopenAsync();

        Assert.Empty(Directory.EnumerateFiles(Store.Paths.Temp));
        Assert.Equal((before.Bytes, before.Blobs), (Store.Usage.Bytes, Store.Usage.Blobs));
        await AssertRestoresAsync(Store, manifest);
    }

    [Fact]
    public async Task Turns_and_references_are_synced_unless_told_otherwise()
    {
        using var directory = new TempDirectory();
        await using var synced = Open(new DirectoryStoreOptions { Path = directory.Path, SyncState = true });
        Assert.True(synced.Options.SyncRecords);
        var manifest = await SaveAsync(synced, Prefix(1, 2, 3), 3, Time);
        var turn = Turn(null, [1, 2, 3], Time, manifest);

        await synced.PutTurnAsync(turn);
        Assert.True(await synced.TrySwapSessionAsync(SessionReference.Create(Alice, "chat", Model, Time.GetUtcNow()) with { Head = turn.Id }, 0));

        Assert.Equal(turn.Id, (await synced.GetSessionAsync(Alice, "chat"))?.Head);
    }

    [Fact]
    public async Task No_name_of_an_owner_or_session_is_part_of_a_path()
    {
        Assert.True(await Store.TrySwapSessionAsync(SessionReference.Create(new StateOwner("../evil"), "../../worse", Model, Time.GetUtcNow()), 0));

        var file = Assert.Single(Directory.EnumerateFiles(Store.Paths.Sessions, "*", SearchOption.AllDirectories));

        Assert.Matches("^[0-9a-f]{32}/[0-9a-f]{2}/[0-9a-f]{64}\\.json$", Path.GetRelativePath(Store.Paths.Sessions, file));
    }

    [Fact]
    public async Task A_reference_is_as_large_after_a_thousand_turns_as_after_one()
    {
        var session = SessionReference.Create(Alice, "chat", Model, Time.GetUtcNow());
        Assert.True(await Store.TrySwapSessionAsync(session, 0));
        var sizes = new List<long>();
        TurnRecord? turn = null;
        for (var i = 0; i < 1000; i++)
        {
            turn = Turn(turn, [1, 2, 3, 4, 5], Time);
            await Store.PutTurnAsync(turn);
            var next = session.MoveTo(turn.Id, Time.GetUtcNow());
            Assert.True(await Store.TrySwapSessionAsync(next, session.Epoch));
            session = next;
            sizes.Add(new FileInfo(Store.Paths.Session(Alice, "chat")).Length);
        }

        Assert.Single(sizes.Distinct());
        Assert.Equal(5000, (await Store.ReadHistoryAsync(session.Head)).Tokens.Count);
    }

    private static async Task<int> RunAsync(string command, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(command, arguments)) ?? throw new InvalidOperationException($"{command} did not start.");
        await process.WaitForExitAsync();
        return process.ExitCode;
    }
}

/// <summary>Skipped, and says so, where no other program can hold a lock.</summary>
public sealed class FlockFactAttribute : FactAttribute
{
    public FlockFactAttribute()
    {
        if (!File.Exists("/usr/bin/flock"))
        {
            Skip = "There is no /usr/bin/flock to hold the lock from another process.";
        }
    }
}
