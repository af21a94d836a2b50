using Microsoft.Extensions.Logging.Abstractions;

namespace Loire.Store.Tests;

/// <summary>The contract, on a directory.</summary>
public sealed class DirectoryStoreContractTests : CheckpointStoreContract, IDisposable
{
    private readonly TempDirectory _directory = new();

    private protected override Task<ICheckpointStore> OpenAsync() => Task.FromResult<ICheckpointStore>(new DirectoryStore(
        new DirectoryStoreOptions { Path = _directory.Path, TimeToLive = TimeToLive, KeepCheckpoints = KeepCheckpoints, SyncRecords = false },
        Time,
        NullLogger<DirectoryStore>.Instance));

    public void Dispose() => _directory.Dispose();
}
