using System.Diagnostics;
using Loire.Cli.Http;
using Loire.Cli.Serve;
using Loire.EndToEnd.Tests.Running;

namespace Loire.EndToEnd.Tests;

/// <summary>A full disk fails the turn and nothing else.</summary>
public sealed class FullDiskTests
{
    [SmallDiskFact]
    public async Task A_full_disk_fails_the_turn_and_the_checkpoint_before_it_stands()
    {
        using var disk = new SmallDisk(megabytes: 8);
        await using var server = await ServerProcess.StartAsync(disk.Path, Demo.Model, Deadline.Token());
        using var client = new ServerClient(server.Address);
        await client.SayAsync("full", "My hobby is chess.");

        var filler = Path.Combine(disk.Path, "filler");
        Fill(filler);
        var failure = await Assert.ThrowsAsync<ApiException>(() => client.ChatAsync(
            new ChatRequest { SessionId = "full", Messages = [Message.User("My name is Ada.")] }, Deadline.Token()));
        File.Delete(filler);

        Assert.InRange((int)failure.Status, 500, 599);
        Assert.Equal("Your hobby is chess.", (await client.SayAsync("full", "What is my hobby?")).Text);
        Assert.Equal("You have not told me your name yet.", (await client.SayAsync("full", "What is my name?")).Text);
    }

    private static void Fill(string path)
    {
        using var file = File.Create(path, bufferSize: 0);
        var block = new byte[4096];
        try
        {
            while (true)
            {
                file.Write(block);
            }
        }
        catch (IOException)
        {
            // As full as it gets.
        }
    }

    /// <summary>A file system in memory with room for next to nothing.</summary>
    internal sealed class SmallDisk : IDisposable
    {
        private readonly TemporaryFolder _folder = new();

        public SmallDisk(int megabytes)
        {
            if (Run("mount", "-t", "tmpfs", "-o", $"size={megabytes}m", "tmpfs", _folder.Path) != 0)
            {
                _folder.Dispose();
                throw new InvalidOperationException("A tmpfs cannot be mounted here.");
            }
        }

        public string Path => _folder.Path;

        public void Dispose()
        {
            _ = Run("umount", "--lazy", _folder.Path);
            _folder.Dispose();
        }

        /// <summary>Whether this user may mount at all.</summary>
        public static bool IsPossible()
        {
            try
            {
                using var disk = new SmallDisk(megabytes: 1);
                return true;
            }
            catch (Exception exception) when (exception is InvalidOperationException or System.ComponentModel.Win32Exception)
            {
                return false;
            }
        }

        private static int Run(string program, params string[] arguments)
        {
            using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardError = true })!;
            process.WaitForExit();
            return process.ExitCode;
        }
    }
}

/// <summary>Runs where a small file system can be mounted, and is skipped elsewhere.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class SmallDiskFactAttribute : FactAttribute
{
    private static readonly Lazy<bool> Possible = new(FullDiskTests.SmallDisk.IsPossible);

    public SmallDiskFactAttribute()
    {
        if (!Possible.Value)
        {
            Skip = "A tmpfs cannot be mounted by this user.";
        }
    }
}
