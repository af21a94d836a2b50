using System.Net;
using System.Text.Encodings.Web;
using System.Text.Json;
using Loire.Cli.Terminal;
using Loire.Silo.Operations;
using Loire.Telemetry.Prometheus;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Loire.Cli.Cluster;

/// <summary>Where a silo answers those who operate it.</summary>
/// <param name="Address">The silo's own; other hosts can ask only if it is not loopback.</param>
/// <param name="Port">Of HTTP.</param>
internal sealed record OpsEndpoint(IPAddress Address, int Port);

/// <summary>A silo's own small web server: <c>/health/live</c>, <c>/health/ready</c> and <c>/metrics</c>. No client of the API comes here.</summary>
/// <remarks>Registered before the silo, so it is the first to start and the last to stop: loading and draining are seen, and not just silence.</remarks>
internal sealed class OpsServer(OpsEndpoint endpoint, SiloReadiness readiness, PrometheusExporter exporter) : IHostedService, IAsyncDisposable
{
    private WebApplication? _app;

    /// <summary>Adds it, unless the port is 0.</summary>
    public static void AddTo(IServiceCollection services, IPAddress address, int port)
    {
        if (port == 0)
        {
            return;
        }

        services.AddSingleton(new OpsEndpoint(address, port));
        services.AddSingleton<PrometheusExporter>();
        services.AddHostedService<OpsServer>();
    }

    public async Task StartAsync(CancellationToken cancellationToken)
    {
        var builder = WebApplication.CreateSlimBuilder(new WebApplicationOptions { ContentRootPath = AppContext.BaseDirectory });
        builder.Logging.ClearProviders();
        builder.Services.AddSingleton<IHostLifetime, NoLifetime>();
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            if (IPAddress.IsLoopback(endpoint.Address))
            {
                kestrel.Listen(IPAddress.Loopback, endpoint.Port);
            }
            else
            {
                kestrel.ListenAnyIP(endpoint.Port); // its own health checks come by loopback
            }
        });
        _app = builder.Build();
        Map(_app, () => readiness.Reason, exporter);
        try
        {
            await _app.StartAsync(cancellationToken);
        }
        catch (IOException fault) when (fault.InnerException is AddressInUseException)
        {
            throw new CommandFailedException($"Port {endpoint.Port} is in use: choose another by --ops-port.", inner: fault);
        }
    }

    public Task StopAsync(CancellationToken cancellationToken) => _app?.StopAsync(cancellationToken) ?? Task.CompletedTask;

    public async ValueTask DisposeAsync()
    {
        if (_app is { } app)
        {
            _app = null;
            await app.DisposeAsync();
        }
    }

    /// <param name="routes">Where to.</param>
    /// <param name="notReady">Why the silo does not serve; null when it does.</param>
    /// <param name="exporter">What is counted.</param>
    internal static void Map(IEndpointRouteBuilder routes, Func<string?> notReady, PrometheusExporter exporter)
    {
        routes.MapGet("/health/live", (HttpContext http) => AnswerAsync(http, 200, "live", null));
        routes.MapGet("/health/ready", (HttpContext http) =>
            notReady() is { } reason ? AnswerAsync(http, 503, "not_ready", reason) : AnswerAsync(http, 200, "ready", null));
        routes.MapGet("/metrics", (HttpContext http) =>
        {
            http.Response.ContentType = PrometheusExporter.ContentType;
            return http.Response.WriteAsync(exporter.Collect(), http.RequestAborted);
        });
    }

    private static async Task AnswerAsync(HttpContext http, int status, string state, string? reason)
    {
        http.Response.StatusCode = status;
        http.Response.ContentType = "application/json";
        await using var json = new Utf8JsonWriter(http.Response.BodyWriter, new JsonWriterOptions { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping });
        json.WriteStartObject();
        json.WriteString("status", state);
        json.WriteString("reason", reason);
        json.WriteEndObject();
    }

    /// <summary>Signals are the silo's business: this server ends when the silo has.</summary>
    private sealed class NoLifetime : IHostLifetime
    {
        public Task WaitForStartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
