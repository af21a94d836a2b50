using System.Globalization;
using System.Text;

namespace Loire.Store;

/// <summary>Keeps a second process out of the directory. The kernel releases it when the process dies, however it dies.</summary>
/// <remarks>One process at a time makes compare-and-swap a matter of one lock in memory: ops/decisions/0002-one-process-a-directory.md.</remarks>
internal sealed class StoreLock : IDisposable
{
    private readonly FileStream _file;

    private StoreLock(FileStream file) => _file = file;

    /// <exception cref="StoreInUseException">Names the process that has it.</exception>
    public static StoreLock Acquire(string path, string root)
    {
        try
        {
            var file = new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
            file.SetLength(0);
            file.Write(Encoding.ASCII.GetBytes(Environment.ProcessId.ToString(CultureInfo.InvariantCulture)));
            file.Flush();
            return new StoreLock(file);
        }
        catch (IOException failure) when (!StoreFiles.IsFull(failure))
        {
            throw new StoreInUseException(
                $"The store '{root}' is open in process {Holder(path)}. Stop that process, share its store, or choose another directory.", failure);
        }
    }

    public void Dispose() => _file.Dispose();

    private static string Holder(string path)
    {
        try
        {
            using var reader = new StreamReader(new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete));
            var text = new char[16];
            var pid = new string(text, 0, reader.Read(text)).Trim();
            return pid.Length > 0 ? pid : "(unknown)";
        }
        catch (IOException)
        {
            return "(unknown)";
        }
    }
}
