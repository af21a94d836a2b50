using Microsoft.Extensions.Logging.Abstractions;

namespace Loire.Store.Tests;

/// <summary>A directory store of one test, to be closed and opened again.</summary>
public abstract class DirectoryStoreTestBase : IAsyncLifetime, IDisposable
{
    private readonly TempDirectory _directory = new();

    private protected virtual string Root => _directory.Path;

    private protected FakeTime Time { get; set; } = new();

    private protected DirectoryStore Store { get; private set; } = null!;

    private protected virtual DirectoryStoreOptions Options =>
        new() { Path = Root, TimeToLive = TimeSpan.FromHours(1), KeepCheckpoints = 2, SyncRecords = false };

    private protected DirectoryStore Open(DirectoryStoreOptions? options = null) =>
        new(options ?? Options, Time, NullLogger<DirectoryStore>.Instance);

    private protected async Task ReopenAsync()
    {
        await Store.DisposeAsync();
        Store = Open();
    }

    public virtual Task InitializeAsync()
    {
        Store = Open();
        return Task.CompletedTask;
    }

    public virtual async Task DisposeAsync() => await Store.DisposeAsync();

    public void Dispose()
    {
        _directory.Dispose();
        GC.SuppressFinalize(this);
    }
}
