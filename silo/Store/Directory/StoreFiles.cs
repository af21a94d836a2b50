using System.Collections.Concurrent;
using System.Globalization;
using Microsoft.Extensions.Logging;
using Microsoft.Win32.SafeHandles;

namespace Loire.Store;

/// <summary>The file operations that every part of the directory store shares: whole files, written aside and renamed into place.</summary>
internal sealed partial class StoreFiles : IDisposable
{
    /// <summary>Damaged files kept to be looked at. Beyond, they are deleted.</summary>
    private const int MaxQuarantined = 64;

    /// <summary>Beyond, they are forgotten and synced once more when they are next written to.</summary>
    private const int MaxSyncedDirectories = 4096;

    private const int NoSpace = 28; // ENOSPC
    private const int QuotaExceeded = 122; // EDQUOT
    private const int WindowsDiskFull = unchecked((int)0x80070070);
    private const int WindowsHandleDiskFull = unchecked((int)0x80070027);

    /// <summary>Directories whose own entry is known to be on disk.</summary>
    private readonly ConcurrentDictionary<string, bool> _synced = new(StringComparer.Ordinal);
    private long _lastName;

    public StoreFiles(DirectoryStoreOptions options, TimeProvider time, ILogger logger)
    {
        (Options, Time, Logger) = (options, time, logger);
        Paths = new StorePaths(options.Path);
        Budget = new StoreBudget(options.MaxBytes, Paths.Root);
        Counters = new StoreCounters(() => Budget.Bytes);
    }

    public DirectoryStoreOptions Options { get; }

    public StorePaths Paths { get; }

    public StoreBudget Budget { get; }

    public StoreCounters Counters { get; }

    public SweepGate Gate { get; } = new();

    public ILogger Logger { get; }

    public TimeProvider Time { get; }

    public DateTime Now => Time.GetUtcNow().UtcDateTime;

    /// <summary>No use since before this: the time to live has passed.</summary>
    public DateTime Expiry => Now - Options.TimeToLive;

    public static bool IsFull(IOException failure) =>
        failure.HResult is NoSpace or QuotaExceeded or WindowsDiskFull or WindowsHandleDiskFull;

    /// <summary>Puts a file in place whole, or not at all.</summary>
    /// <param name="path">Replaced if it is there.</param>
    /// <param name="head">First bytes of the file.</param>
    /// <param name="body">The bytes after them.</param>
    /// <param name="counted">What the file is counted as.</param>
    /// <param name="sync">Return only when the file would survive a power cut.</param>
    /// <exception cref="StoreFullException"/>
    public void Write(string path, ReadOnlySpan<byte> head, ReadOnlySpan<byte> body, StoreCount counted, bool sync)
    {
        var bytes = (long)head.Length + body.Length;
        Reserve(bytes, counted);
        var temp = Path.Combine(Paths.Temp, NextName());
        try
        {
            WriteTemp(temp, head, body, sync);
            var replaced = LengthOf(path);
            Rename(temp, path);
            Budget.Release(replaced ?? 0);
            Counters.Add(counted, replaced is null ? 1 : 0);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            Budget.Release(bytes);
            TryDelete(temp);
            var explained = Explain(failure, "write", path);
            Counters.Add(StoreCount.FullRefusals, explained is StoreFullException ? 1 : 0);
            throw explained;
        }

        if (sync)
        {
            SyncDirectoryOf(path);
        }
    }

    /// <summary>Starts a file's time to live again.</summary>
    /// <returns>False when it is not there.</returns>
    public bool Touch(string path)
    {
        try
        {
            File.SetLastWriteTimeUtc(path, Now);
            return true;
        }
        catch (Exception failure) when (failure is FileNotFoundException or DirectoryNotFoundException)
        {
            return false;
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw Explain(failure, "touch", path);
        }
    }

    /// <summary>Creates an empty file, or starts its time to live again.</summary>
    public void Mark(string path)
    {
        if (!Touch(path))
        {
            Write(path, [], [], StoreCount.None, sync: false);
        }
    }

    /// <returns>Null when it is not there.</returns>
    /// <exception cref="DamagedRecordException">A directory is in its place.</exception>
    public static SafeFileHandle? TryOpen(string path)
    {
        try
        {
            return File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        }
        catch (Exception failure) when (failure is FileNotFoundException or DirectoryNotFoundException)
        {
            return null;
        }
        catch (UnauthorizedAccessException failure) when (Directory.Exists(path))
        {
            throw new DamagedRecordException(path, "file", "a directory is in its place", failure);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw Explain(failure, "open", path);
        }
    }

    /// <returns>False when it was not there.</returns>
    public bool Delete(string path, StoreCount counted)
    {
        if (LengthOf(path) is not { } length)
        {
            return false;
        }

        try
        {
            File.Delete(path);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw Explain(failure, "delete", path);
        }

        Budget.Release(length);
        Counters.Add(counted, -1);
        return true;
    }

    /// <summary>Takes a damaged file out of the way, so that a sound one can take its place. It is kept for a time to live to be looked at.</summary>
    public void PutAside(string path, StoreCount counted, string found)
    {
        Counters.Add(StoreCount.Damaged);
        var target = Path.Combine(Paths.Quarantine, $"{Path.GetFileName(path)}.{Now.Ticks:x}.{NextName()}");
        try
        {
            if (Directory.Exists(path))
            {
                Directory.Move(path, target);
            }
            else if (LengthOf(path) is { } length)
            {
                Counters.Add(counted, -1);
                if (Directory.EnumerateFileSystemEntries(Paths.Quarantine).Take(MaxQuarantined).Count() < MaxQuarantined)
                {
                    File.Move(path, target, overwrite: true);
                    Touch(target);
                }
                else
                {
                    File.Delete(path);
                    Budget.Release(length);
                }
            }
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw Explain(failure, "put aside", path);
        }

        LogDamaged(Logger, path, found, target);
    }

    public static long? LengthOf(string path)
    {
        var file = new FileInfo(path);
        return file.Exists ? file.Length : null;
    }

    /// <summary>Returns when what was renamed or deleted there would stay so through a power cut.</summary>
    public void SyncDirectoryOf(string path)
    {
        try
        {
            var directory = Path.GetDirectoryName(path)!;
            DirectorySync.Flush(directory);
            if (!_synced.ContainsKey(directory))
            {
                SyncAncestors(directory);
            }
        }
        catch (IOException failure)
        {
            throw Explain(failure, "sync", path);
        }
    }

    /// <summary>Another writer may have made the directory a moment ago and not have synced it yet: whoever relies on it does so too.</summary>
    private void SyncAncestors(string directory)
    {
        for (var at = directory; at.Length > Paths.Root.Length; at = Path.GetDirectoryName(at)!)
        {
            DirectorySync.Flush(Path.GetDirectoryName(at)!);
        }

        if (_synced.Count >= MaxSyncedDirectories)
        {
            _synced.Clear();
        }

        _synced[directory] = true;
    }

    public static StoreException Explain(Exception failure, string tried, string path) => failure is IOException io && IsFull(io)
        ? new StoreFullException($"The disk is full: could not {tried} '{path}'. Free some space; what was stored before stands.", failure)
        : new StoreUnavailableException($"Could not {tried} '{path}': {failure.Message}", failure);

    public void Dispose()
    {
        Gate.Dispose();
        Counters.Dispose();
    }

    private void Reserve(long bytes, StoreCount counted)
    {
        try
        {
            Budget.Reserve(bytes, isRecord: counted is StoreCount.Turns or StoreCount.Sessions);
        }
        catch (StoreFullException)
        {
            Counters.Add(StoreCount.FullRefusals);
            throw;
        }
    }

    private void WriteTemp(string temp, ReadOnlySpan<byte> head, ReadOnlySpan<byte> body, bool sync)
    {
        using var handle = File.OpenHandle(temp, FileMode.CreateNew, FileAccess.Write, FileShare.ReadWrite | FileShare.Delete);
        RandomAccess.Write(handle, head, 0);
        RandomAccess.Write(handle, body, head.Length);
        File.SetLastWriteTimeUtc(handle, Now);
        if (sync)
        {
            RandomAccess.FlushToDisk(handle);
        }
    }

    private static void Rename(string temp, string path)
    {
        try
        {
            File.Move(temp, path, overwrite: true);
        }
        catch (Exception missing) when (missing is DirectoryNotFoundException or FileNotFoundException)
        {
            // Which of the two it is depends on whether another writer has made the directory since.
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            File.Move(temp, path, overwrite: true);
        }
    }

    private static void TryDelete(string temp)
    {
        try
        {
            File.Delete(temp);
        }
        catch (IOException)
        {
            // The next start deletes it; the failure that led here is the one to report.
        }
    }

    private string NextName() => Interlocked.Increment(ref _lastName).ToString("x", CultureInfo.InvariantCulture);

    [LoggerMessage(Level = LogLevel.Error, Message = "Damaged: '{Path}': {Found}. Put aside as '{Target}'.")]
    private static partial void LogDamaged(ILogger logger, string path, string found, string target);
}
