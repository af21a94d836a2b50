using System.Globalization;

namespace Loire.Store;

/// <summary>Keeps a second process out of the directory. The kernel releases it when the process dies, however it dies.</summary>
/// <remarks>One process at a time makes compare-and-swap a matter of one lock in memory: ops/decisions/0004-one-process-a-directory.md.</remarks>
internal sealed class StoreLock : IDisposable
{
    private const int WouldBlock = 11; // EWOULDBLOCK on Linux
    private const int WouldBlockOnMac = 35;
    private const int SharingViolation = unchecked((int)0x80070020);

    private readonly FileStream _file;

    private StoreLock(FileStream file) => _file = file;

    /// <exception cref="StoreInUseException">Names the process that has it.</exception>
    public static StoreLock Acquire(StorePaths paths)
    {
        FileStream file;
        try
        {
            file = new FileStream(paths.Lock, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        }
        catch (IOException failure) when (failure.HResult is WouldBlock or WouldBlockOnMac or SharingViolation)
        {
            throw new StoreInUseException(
                $"The store '{paths.Root}' is open in process {Holder(paths)}. Stop that process, share its store, or choose another directory.",
                failure);
        }

        // Beside the lock and not in it: a locked file cannot be read.
        var held = new StoreLock(file);
        try
        {
            File.WriteAllText(paths.Holder, Environment.ProcessId.ToString(CultureInfo.InvariantCulture));
            return held;
        }
        catch
        {
            held.Dispose();
            throw;
        }
    }

    public void Dispose() => _file.Dispose();

    private static string Holder(StorePaths paths)
    {
        try
        {
            var text = File.ReadAllText(paths.Holder);
            return text.Length is > 0 and <= 20 ? text : "(unknown)";
        }
        catch (IOException)
        {
            return "(unknown)";
        }
    }
}
