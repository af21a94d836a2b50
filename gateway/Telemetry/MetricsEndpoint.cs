using Loire.Telemetry.Prometheus;

namespace Loire.Gateway;

/// <summary><c>/metrics</c>: what this process counts, for Prometheus. Asks for no key, as health does: it tells figures and no names of clients or sessions.</summary>
internal static class MetricsEndpoint
{
    public static void Map(IEndpointRouteBuilder routes, PrometheusExporter exporter) => routes.MapGet("/metrics", (HttpContext http) =>
    {
        http.Response.ContentType = PrometheusExporter.ContentType;
        return http.Response.WriteAsync(exporter.Collect(), http.RequestAborted);
    });
}
