using Loire.Store.Redis;

namespace Loire.Store.Tests;

/// <summary>The contract, on Redis.</summary>
[Collection(SharedRedisCollection.Name)]
public sealed class RedisStoreContractTests(SharedRedis redis) : CheckpointStoreContract
{
    private readonly string _cluster = SharedRedis.NewCluster();

    private protected override async Task<ICheckpointStore> OpenAsync() => await SharedRedis.OpenAsync(
        new RedisStoreOptions { Connection = redis.Address, Cluster = _cluster, TimeToLive = TimeToLive, KeepCheckpoints = KeepCheckpoints }, Time);
}
