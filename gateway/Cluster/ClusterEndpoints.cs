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
