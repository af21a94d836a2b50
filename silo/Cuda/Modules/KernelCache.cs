using System.Security.Cryptography;
using System.Text;

namespace Loire.Cuda;

/// <summary>Compiled kernels on disk, by a digest of everything that they were made from. One folder; several processes may share it.</summary>
/// <remarks>A folder that cannot be written costs time at start, nothing else.</remarks>
internal sealed class KernelCache(string folder)
{
    public const string Setting = "LOIRE_CUDA_CACHE";

    public string Folder => folder;

    public static KernelCache OfThisUser()
    {
        if (Environment.GetEnvironmentVariable(Setting) is { Length: > 0 } named)
        {
            return new KernelCache(named);
        }

        var user = Environment.GetEnvironmentVariable("XDG_CACHE_HOME") is { Length: > 0 } cache
            ? cache
            : Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile) is { Length: > 0 } home ? home : Path.GetTempPath(), ".cache");
        return new KernelCache(Path.Combine(user, "loire", "kernels"));
    }

    /// <summary>The same for the same source, headers, options and versions; no two differ by where one part ends and the next begins.</summary>
    /// <param name="source">With headers and defines.</param>
    /// <param name="options">The compiler's, architecture included.</param>
    /// <param name="compiler">Its version.</param>
    /// <param name="driver">Its version.</param>
    public static string KeyOf(KernelSource source, IReadOnlyList<string> options, string compiler, int driver)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        Add(hash, source.Name);
        Add(hash, source.Text);
        foreach (var (name, text) in source.Headers)
        {
            Add(hash, name);
            Add(hash, text);
        }

        foreach (var option in options)
        {
            Add(hash, option);
        }

        Add(hash, compiler);
        Add(hash, driver.ToString());
        var stem = Path.GetFileNameWithoutExtension(source.Name);
        return $"{stem}-{Convert.ToHexStringLower(hash.GetHashAndReset().AsSpan(0, 16))}";
    }

    public byte[]? Read(string key)
    {
        try
        {
            return File.ReadAllBytes(PathOf(key));
        }
        catch (Exception absent) when (absent is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    public void Write(string key, ReadOnlySpan<byte> cubin)
    {
        var unfinished = PathOf($"{key}.{Environment.ProcessId}-{Environment.CurrentManagedThreadId}");
        try
        {
            Directory.CreateDirectory(folder);
            File.WriteAllBytes(unfinished, cubin);
            File.Move(unfinished, PathOf(key), overwrite: true); // a reader sees all of it or nothing
        }
        catch (Exception unwritable) when (unwritable is IOException or UnauthorizedAccessException)
        {
            // The next start compiles again.
        }
    }

    private static void Add(IncrementalHash hash, string part)
    {
        var bytes = Encoding.UTF8.GetBytes(part);
        hash.AppendData(BitConverter.GetBytes(bytes.Length));
        hash.AppendData(bytes);
    }

    private string PathOf(string key) => Path.Combine(folder, $"{key}.cubin");
}
