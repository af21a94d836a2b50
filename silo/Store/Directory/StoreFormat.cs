using System.IO.Enumeration;
using System.Text;

namespace Loire.Store;

/// <summary>Opens a store's directory: makes it if there is none, refuses one of another format, clears what a crash left, counts what is there.</summary>
internal static class StoreFormat
{
    private const string Content = "{\"format\":\"loire.store\",\"version\":1}\n";

    public static StoreLock Open(StoreFiles files)
    {
        var paths = files.Paths;
        StoreLock? held = null;
        try
        {
            if (!Directory.Exists(paths.Root))
            {
                DirectorySync.Flush(Path.GetDirectoryName(Directory.CreateDirectory(paths.Root).FullName)!);
            }

            held = StoreLock.Acquire(paths);
            CheckFormat(paths);
            foreach (var folder in paths.Folders)
            {
                Directory.CreateDirectory(folder);
            }

            foreach (var leftover in Directory.EnumerateFiles(paths.Temp))
            {
                File.Delete(leftover);
            }

            Count(files);
            return held;
        }
        catch (Exception failure)
        {
            held?.Dispose();
            if (failure is IOException or UnauthorizedAccessException)
            {
                throw StoreFiles.Explain(failure, "open the store", paths.Root);
            }

            throw;
        }
    }

    private static void CheckFormat(StorePaths paths)
    {
        if (!File.Exists(paths.Format))
        {
            RefuseForeign(paths);
            File.WriteAllText(paths.Format, Content);
            return;
        }

        using var file = File.OpenRead(paths.Format);
        var bytes = new byte[256];
        var found = Encoding.UTF8.GetString(bytes, 0, file.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false));
        if (found.Length == 0)
        {
            File.WriteAllText(paths.Format, Content); // A crash came between its creation and its first line.
        }
        else if (found != Content)
        {
            throw new DamagedRecordException(
                paths.Format, "format", $"'{found.Trim()}', expected '{Content.Trim()}'. Open it with the version that wrote it, or choose another directory");
        }
    }

    private static void RefuseForeign(StorePaths paths)
    {
        var ours = new HashSet<string>(paths.Folders) { paths.Lock, paths.Holder };
        if (Directory.EnumerateFileSystemEntries(paths.Root).FirstOrDefault(entry => !ours.Contains(entry) && !IsIncidental(entry)) is { } foreign)
        {
            throw new DamagedRecordException(
                paths.Format, "file", $"missing, and the directory is not empty ('{Path.GetFileName(foreign)}'). Choose an empty directory for the store");
        }
    }

    private static bool IsIncidental(string entry) => Path.GetFileName(entry) is "lost+found" || Path.GetFileName(entry).StartsWith('.');

    private static void Count(StoreFiles files)
    {
        var paths = files.Paths;
        CountFolder(files, paths.Blobs, StoreCount.Blobs);
        CountFolder(files, paths.Checkpoints, StoreCount.Checkpoints);
        CountFolder(files, paths.Turns, StoreCount.Turns);
        CountFolder(files, paths.Sessions, StoreCount.Sessions);
        CountFolder(files, paths.Quarantine, StoreCount.None);
    }

    private static void CountFolder(StoreFiles files, string folder, StoreCount counted)
    {
        foreach (var length in new FileSystemEnumerable<long>(
            folder,
            static (ref FileSystemEntry entry) => entry.Length,
            new EnumerationOptions { RecurseSubdirectories = true, AttributesToSkip = 0 })
        {
            ShouldIncludePredicate = static (ref FileSystemEntry entry) => !entry.IsDirectory,
        })
        {
            files.Budget.Release(-length);
            files.Counters.Add(counted);
        }
    }
}
