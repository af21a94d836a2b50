using System.Runtime.InteropServices;

namespace Loire.Store;

/// <summary>Makes a directory's entries survive a power cut: a rename is not on disk before its directory is.</summary>
internal static partial class DirectorySync
{
    private const int ReadOnlyDirectory = 0x80000; // O_RDONLY | O_CLOEXEC on Linux

    /// <exception cref="IOException">The disk refused.</exception>
    public static void Flush(string directory)
    {
        if (!OperatingSystem.IsLinux())
        {
            return; // Windows and macOS: directories cannot be flushed this way; the file itself has been.
        }

        var descriptor = Open(directory, ReadOnlyDirectory);
        if (descriptor < 0)
        {
            throw Failure("open", directory);
        }

        try
        {
            if (Sync(descriptor) != 0)
            {
                throw Failure("fsync", directory);
            }
        }
        finally
        {
            _ = Close(descriptor);
        }
    }

    private static IOException Failure(string call, string directory)
    {
        var error = Marshal.GetLastPInvokeError();
        return new IOException($"{call} of directory '{directory}' failed: {Marshal.GetPInvokeErrorMessage(error)}", error);
    }

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Open(string path, int flags);

    [LibraryImport("libc", EntryPoint = "fsync", SetLastError = true)]
    private static partial int Sync(int descriptor);

    [LibraryImport("libc", EntryPoint = "close")]
    private static partial int Close(int descriptor);
}
