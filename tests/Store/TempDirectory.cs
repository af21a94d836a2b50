namespace Loire.Store.Tests;

internal sealed class TempDirectory : IDisposable
{
    public string Path { get; } = Directory.CreateTempSubdirectory("loire-store-").FullName;

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
