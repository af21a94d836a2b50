using Loire.Contracts;
using Orleans;

namespace Loire.Gateway;

/// <summary><c>/v1/cluster</c>: who is there and what runs where; and what operators do to it.</summary>
internal sealed class ClusterEndpoints(IGrainFactory grains, GatewayOptions options)
{
    public static void Map(IEndpointRouteBuilder routes)
    {
        routes.MapGet("/v1/cluster", static (HttpContext http, ClusterEndpoints cluster) => cluster.GetAsync(http));
        routes.MapPost("/v1/cluster/silos/{name}/hibernate", static (HttpContext http, string name, ClusterEndpoints cluster) => cluster.HibernateAsync(http, name));
        routes.MapPost("/v1/cluster/silos/{name}/drain", static (HttpContext http, string name, ClusterEndpoints cluster) => cluster.DrainAsync(http, name));
        routes.MapPost(
            "/v1/cluster/replicas/{model}/{home}/shards/{shard:int}/move",
            static (HttpContext http, string model, string home, int shard, ClusterEndpoints cluster) => cluster.MoveShardAsync(http, new ReplicaKey(model, home), shard));
    }

    private async Task GetAsync(HttpContext http) =>
        await JsonAnswer.WriteAsync(http, 200, await grains.GetGrain<IClusterGrain>(IClusterGrain.Key).GetAsync(), ClusterJson.Write);

    private async Task HibernateAsync(HttpContext http, string name)
    {
        var silo = await RequireAsync(http, name);
        await JsonAnswer.WriteAsync(http, 200, (name, released: await silo.HibernateAsync()), static (json, result) =>
        {
            json.WriteStartObject();
            json.WriteString("silo", result.name);
            json.WriteString("object", "silo.hibernated");
            json.WriteNumber("released", result.released);
            json.WriteEndObject();
        });
    }

    private async Task DrainAsync(HttpContext http, string name)
    {
        await (await RequireAsync(http, name)).DrainAsync();
        await JsonAnswer.WriteAsync(http, 202, name, static (json, name) =>
        {
            json.WriteStartObject();
            json.WriteString("silo", name);
            json.WriteString("object", "silo.draining");
            json.WriteEndObject();
        });
    }

    /// <summary>Takes an expert shard to another silo, while requests run.</summary>
    private async Task MoveShardAsync(HttpContext http, ReplicaKey replica, int shard)
    {
        RequireOperator(http);
        var silo = await RequestBody.ReadAsync(http, options.BodyLimitBytes, static body => body.Text("silo"))
            ?? throw new ClusterException(FailureCode.InvalidRequest, "silo is missing: name the silo that the shard is to go to.", "silo");
        var view = await grains.GetGrain<IClusterGrain>(IClusterGrain.Key).GetAsync();
        if (view.Replicas.All(known => known.Key != replica.ToString()))
        {
            throw new ClusterException(
                FailureCode.NotFound, $"There is no replica '{BodyObject.Shorten(replica.ToString())}'. In the cluster: {string.Join(", ", view.Replicas.Select(known => known.Key))}.", "replica");
        }

        var moved = await grains.GetGrain<IRouterGrain>(replica.ToString()).MoveShardAsync(shard, silo);
        await JsonAnswer.WriteAsync(http, 200, (replica, moved, silo), static (json, result) =>
        {
            json.WriteStartObject();
            json.WriteString("object", "shard.moved");
            json.WriteString("replica", result.replica.ToString());
            json.WriteNumber("shard", result.moved.Shard);
            json.WriteString("silo", result.silo);
            json.WriteNumber("first_expert", result.moved.FirstExpert);
            json.WriteNumber("last_expert", result.moved.EndExpert - 1);
            json.WriteEndObject();
        });
    }

    private async Task<ISiloGrain> RequireAsync(HttpContext http, string name)
    {
        RequireOperator(http);
        var view = await grains.GetGrain<IClusterGrain>(IClusterGrain.Key).GetAsync();
        return view.Silos.Any(silo => silo.Name == name)
            ? grains.GetGrain<ISiloGrain>(name)
            : throw new ClusterException(
                FailureCode.NotFound, $"There is no silo '{BodyObject.Shorten(name)}'. In the cluster: {string.Join(", ", view.Silos.Select(silo => silo.Name))}.", "silo");
    }

    /// <summary>Where clients have keys, a client's key is not enough to stop a silo.</summary>
    private void RequireOperator(HttpContext http)
    {
        if (options.ApiKeys.Count > 0 && !options.OperatorKeys.Any(key => Caller.OwnerOf(http) == ApiKeys.OwnerOfKey(key)))
        {
            throw new RefusedException(StatusCodes.Status403Forbidden, "operators_only", "This needs the key of an operator.");
        }
    }
}
