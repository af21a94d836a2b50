using System.Diagnostics;
using static Loire.Store.Tests.Samples;

namespace Loire.Store.Tests;

/// <summary>A store at its bound: the turn fails cleanly, and what was stored before stands.</summary>
public sealed class FullStoreTests : DirectoryStoreTestBase
{
    private const int Max = 1 << 20;

    private protected override DirectoryStoreOptions Options =>
        new() { Path = Root, MaxBytes = Max, TimeToLive = TimeSpan.FromHours(1), SyncRecords = false };

    private static BlobContent Blob(int number, int length) =>
        new(BlobKind.RecurrentState, number, 0, Digest.Of(BitConverter.GetBytes(number)), DType, new byte[length]);

    [Fact]
    public async Task Beyond_its_bound_state_is_refused_and_the_old_checkpoint_stands()
    {
        var manifest = await SaveAsync(Store, Prefix(1, 2, 3), 3, Time);

        var refused = await Assert.ThrowsAsync<StoreFullException>(async () => await Store.PutBlobsAsync([Blob(1, Max)]));

        Assert.Contains("Store:MaxBytes", refused.Message, StringComparison.Ordinal);
        Assert.Empty(Directory.EnumerateFiles(Store.Paths.Temp));
        Assert.Equal(1, Store.Usage.FullRefusals);
        await AssertRestoresAsync(Store, manifest);
    }

    [Fact]
    public async Task Full_of_state_it_still_records_turns_and_moves_sessions()
    {
        await Store.PutBlobsAsync([Blob(1, Max - 1000)]);
        var turn = Turn(null, [1, 2, 3], Time);
        var session = SessionReference.Create(Alice, "chat", Model, Time.GetUtcNow());
        await Store.PutTurnAsync(turn);
        Assert.True(await Store.TrySwapSessionAsync(session with { Head = turn.Id }, 0));
        await Assert.ThrowsAsync<StoreFullException>(async () => await Store.PutBlobsAsync([Blob(2, 1000)]));

        var failure = await Assert.ThrowsAsync<StoreFullException>(async () =>
        {
            for (var i = 0; i < 1000; i++)
            {
                turn = Turn(turn, [.. Enumerable.Range(0, 200)], Time);
                await Store.PutTurnAsync(turn);
            }
        });

        Assert.NotNull(failure);
        Assert.InRange(Store.Usage.Bytes, Max, Max + (Max / 16));
        Assert.Equal(session.Id, (await Store.GetSessionAsync(Alice, "chat"))?.Id);
    }

    [Fact]
    public async Task A_sweep_makes_room_again()
    {
        await Store.PutBlobsAsync([Blob(1, Max - 1000)]);
        await Assert.ThrowsAsync<StoreFullException>(async () => await Store.PutBlobsAsync([Blob(2, 5000)]));
        Time.Advance(TimeSpan.FromHours(2));

        await Store.SweepAsync();

        Assert.Equal(0, Store.Usage.Bytes);
        await Store.PutBlobsAsync([Blob(2, 5000)]);
    }

    [Fact]
    public async Task Writers_that_race_for_the_last_room_never_pass_the_bound()
    {
        var outcomes = await Task.WhenAll(Enumerable.Range(0, 64).Select(i => Task.Run(async () =>
        {
            try
            {
                await Store.PutBlobsAsync([Blob(i, 32 << 10)]);
                return true;
            }
            catch (StoreFullException)
            {
                return false;
            }
        })));

        Assert.Contains(true, outcomes);
        Assert.Contains(false, outcomes);
        Assert.InRange(Store.Usage.Bytes, Max / 2, Max);
    }
}

/// <summary>The same on a disk that really is full.</summary>
public sealed class FullDiskTests : DirectoryStoreTestBase
{
    private readonly TempDirectory _mount = new();
    private bool _mounted;

    private protected override string Root => _mounted ? Path.Combine(_mount.Path, "store") : base.Root;

    public override async Task InitializeAsync()
    {
        _mounted = TinyDisk.WhyNot is null && TinyDisk.Mount(_mount.Path);
        await base.InitializeAsync();
    }

    public override async Task DisposeAsync()
    {
        await base.DisposeAsync();
        if (_mounted)
        {
            TinyDisk.Unmount(_mount.Path);
        }

        _mount.Dispose();
    }

    [FullDiskFact]
    public async Task On_a_full_disk_every_write_fails_cleanly_and_what_was_stored_stands()
    {
        var prefix = Prefix(1, 2, 3, 4, 5);
        var manifest = await SaveAsync(Store, prefix, 5, Time);
        var turn = Turn(null, [1, 2, 3, 4, 5], Time, manifest);
        await Store.PutTurnAsync(turn);
        var session = SessionReference.Create(Alice, "chat", Model, Time.GetUtcNow()) with { Head = turn.Id };
        Assert.True(await Store.TrySwapSessionAsync(session, 0));
        var before = Store.Usage;
        var filler = Path.Combine(_mount.Path, "filler");
        Fill(filler);

        prefix.Append([6, 7, 8]);
        var full = await Assert.ThrowsAsync<StoreFullException>(() => SaveAsync(Store, prefix, 8, Time));
        await Assert.ThrowsAsync<StoreFullException>(async () => await Store.PutTurnAsync(Turn(turn, [6, 7, 8], Time)));
        await Assert.ThrowsAsync<StoreFullException>(
            async () => await Store.TrySwapSessionAsync(session.MoveTo(null, Time.GetUtcNow()), session.Epoch));

        Assert.Contains("disk is full", full.Message, StringComparison.Ordinal);
        Assert.Empty(Directory.EnumerateFiles(Store.Paths.Temp));
        Assert.Equal((before.Bytes, before.Blobs, before.Turns), (Store.Usage.Bytes, Store.Usage.Blobs, Store.Usage.Turns));
        await AssertRestoresAsync(Store, manifest);
        Assert.Equal(session, await Store.GetSessionAsync(Alice, "chat"));

        File.Delete(filler);
        await SaveAsync(Store, prefix, 8, Time);
        Assert.True(await Store.TrySwapSessionAsync(session.MoveTo(null, Time.GetUtcNow()), session.Epoch));
    }

    private static void Fill(string path)
    {
        using var filler = File.OpenHandle(path, FileMode.CreateNew, FileAccess.Write);
        var offset = 0L;
        for (var size = 64 << 10; size >= 1;)
        {
            try
            {
                RandomAccess.Write(filler, new byte[size], offset);
                offset += size;
            }
            catch (IOException)
            {
                size /= 2;
            }
        }
    }
}

/// <summary>Skipped, and says so, where no small disk can be mounted.</summary>
public sealed class FullDiskFactAttribute : FactAttribute
{
    public FullDiskFactAttribute()
    {
        if (TinyDisk.WhyNot is { } reason)
        {
            Skip = reason;
        }
    }
}

/// <summary>A disk of one mebibyte in memory.</summary>
internal static class TinyDisk
{
    private static readonly Lazy<string?> Reason = new(Try);

    public static string? WhyNot => Reason.Value;

    public static bool Mount(string path) => Run("mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", path);

    public static void Unmount(string path) => Run("umount", path);

    private static string? Try()
    {
        if (!OperatingSystem.IsLinux())
        {
            return "A small disk can only be mounted on Linux.";
        }

        using var directory = new TempDirectory();
        if (!Mount(directory.Path))
        {
            return "Mounting a small disk needs more rights than this process has.";
        }

        Unmount(directory.Path);
        return null;
    }

    private static bool Run(string command, params string[] arguments)
    {
        try
        {
            using var process = Process.Start(new ProcessStartInfo(command, arguments) { RedirectStandardError = true });
            process?.WaitForExit();
            return process is { ExitCode: 0 };
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return false;
        }
    }
}
