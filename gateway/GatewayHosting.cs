using Loire.Telemetry.Prometheus;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Options;

namespace Loire.Gateway;

/// <summary>Composes the gateway into a host, alone or beside a silo. The host brings an <c>IGrainFactory</c>.</summary>
public static class GatewayHosting
{
    /// <summary>Adds the gateway's services.</summary>
    /// <exception cref="OptionsValidationException">An option is out of its range; the message names it.</exception>
    public static IHostApplicationBuilder AddLoireGateway(this IHostApplicationBuilder builder, GatewayOptions options)
    {
        if (new GatewayOptionsValidator().Validate(Options.DefaultName, options) is { Failed: true } result)
        {
            throw new OptionsValidationException(nameof(GatewayOptions), typeof(GatewayOptions), result.Failures);
        }

        var services = builder.Services;
        services.TryAddSingleton(TimeProvider.System);
        services.AddSingleton(options)
            .AddSingleton<ApiKeys>()
            .AddSingleton<HostNames>()
            .AddSingleton<AdmissionGate>()
            .AddSingleton<ModelCatalog>()
            .AddSingleton<Failover>()
            .AddSingleton<GatewayMetrics>()
            .AddSingleton<TurnOpener>()
            .AddSingleton<TurnResponder>()
            .AddSingleton<SessionEndpoints>()
            .AddSingleton<ClusterEndpoints>()
            .AddSingleton<ReadinessGate>()
            .AddSingleton<HealthEndpoints>()
            .AddSingleton<FailureMiddleware>()
            .AddSingleton<PrometheusExporter>()
            .Configure<KestrelServerOptions>(static kestrel => kestrel.AddServerHeader = false);
        RuntimeDashboard.AddTo(services);
        return builder;
    }

    /// <summary>Maps the API, health and, unless switched off, the chat page.</summary>
    public static WebApplication MapLoireGateway(this WebApplication app)
    {
        var options = app.Services.GetRequiredService<GatewayOptions>();
        app.UseMiddleware<FailureMiddleware>();
        app.Use(app.Services.GetRequiredService<HostNames>().CheckAsync);
        HealthEndpoints.Map(app);
        MetricsEndpoint.Map(app, app.Services.GetRequiredService<PrometheusExporter>());
        var api = app.MapGroup("").AddEndpointFilter(new CallerFilter(app.Services.GetRequiredService<ApiKeys>()));
        ModelEndpoints.Map(api);
        ChatEndpoint.Map(api);
        CompletionEndpoint.Map(api);
        SessionEndpoints.Map(api);
        ClusterEndpoints.Map(api);
        RuntimeDashboard.Map(app);
        if (options.ServePage)
        {
            PageEndpoints.Map(app);
        }

        return app;
    }
}
