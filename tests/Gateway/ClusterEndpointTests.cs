using System.Collections.Immutable;
using System.Net;
using Loire.Contracts;

namespace Loire.Gateway.Tests;

/// <summary>What operators do to the cluster, and who may not.</summary>
public sealed class ClusterEndpointTests
{
    private const string Move = "/v1/cluster/replicas/demo/silo-1/shards/1/move";

    [Fact]
    public async Task Moving_a_shard_needs_an_operators_key()
    {
        await using var gateway = await TestGateway.StartAsync(new GatewayOptions { ApiKeys = ["client-key", "operator-key"], OperatorKeys = ["operator-key"] });
        gateway.Http.DefaultRequestHeaders.Authorization = new("Bearer", "client-key");

        using var refused = await gateway.PostAsync(Move, """{"silo":"silo-2"}""");

        Assert.Equal(HttpStatusCode.Forbidden, refused.StatusCode);
    }

    [Fact]
    public async Task Moving_a_shard_of_an_unknown_replica_or_to_no_silo_is_refused_by_name()
    {
        await using var gateway = await TestGateway.StartAsync();
        gateway.Cluster.View = static () => Task.FromResult(new ClusterView(true, null, [], ImmutableArray.Create(new ReplicaView { Key = "demo/silo-9", Ready = true })));

        using var unknown = await gateway.PostAsync(Move, """{"silo":"silo-2"}""");
        using var nowhere = await gateway.PostAsync(Move, "{}");

        Assert.Equal(HttpStatusCode.NotFound, unknown.StatusCode);
        Assert.Contains("demo/silo-9", await unknown.Content.ReadAsStringAsync());
        Assert.Equal(HttpStatusCode.BadRequest, nowhere.StatusCode);
        Assert.Contains("silo is missing", await nowhere.Content.ReadAsStringAsync());
    }
}
