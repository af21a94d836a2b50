using System.Collections.Immutable;
using System.Net;
using System.Text.Json;
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

    [Fact]
    public async Task Stages_and_shards_are_shown_with_their_layers_experts_and_devices_and_how_busy_experts_are()
    {
        await using var gateway = await TestGateway.StartAsync();
        var replica = new ReplicaView
        {
            Key = "demo/silo-1",
            Ready = true,
            Stages = [new StageView(0, "cuda:0+1", 0, 40, 1), new StageView(1, "cpu:0", 40, 80, 1) { Silo = "silo-2" }],
            Router = new RouterView([new ShardView(0, "cuda:1", 16, 32, 1) { FirstLayer = 0, EndLayer = 40 }, new ShardView(1, "cpu:0", 0, 32, 1) { Silo = "silo-2" }], [7, 0, 5_000_000_000]),
        };
        var silo = new SiloView { Name = "silo-1", Address = "a", Status = "Active", Devices = [new DeviceView("silo-1", "cuda:0", "H", 85)], Replicas = [replica] };
        gateway.Cluster.View = () => Task.FromResult(new ClusterView(true, null, silo.Devices, [replica]) { Silos = [silo] });

        using var view = JsonDocument.Parse(await gateway.Http.GetStringAsync(new Uri("/v1/cluster", UriKind.Relative)));

        var shown = view.RootElement.GetProperty("silos")[0];
        Assert.Equal("cuda:0", shown.GetProperty("devices")[0].GetProperty("name").GetString());
        Assert.Equal(
            ["cuda:0+1: layers 0 to 39", "silo-2/cpu:0: layers 40 to 79"],
            shown.GetProperty("replicas")[0].GetProperty("stages").EnumerateArray().Select(stage => stage.GetString()!));
        Assert.Equal(
            ["cuda:1: experts 16 to 31 of layers 0 to 39", "silo-2/cpu:0: experts 0 to 31"],
            shown.GetProperty("replicas")[0].GetProperty("shards").EnumerateArray().Select(shard => shard.GetString()!));
        Assert.Equal([7L, 0, 5_000_000_000], shown.GetProperty("replicas")[0].GetProperty("expert_tokens").EnumerateArray().Select(tokens => tokens.GetInt64()));
    }
}
