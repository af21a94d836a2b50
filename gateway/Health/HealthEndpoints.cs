using System.Text.Json;
using Loire.Contracts;
using Orleans;

namespace Loire.Gateway;

/// <summary><c>/health/live</c>: this process answers. <c>/health/ready</c>: turns can run, or why not.</summary>
internal sealed partial class HealthEndpoints(IGrainFactory grains, ReadinessGate gate, GatewayOptions options, ILogger<HealthEndpoints> logger)
{
    public static void Map(IEndpointRouteBuilder routes)
    {
        routes.MapGet("/health/live", static (HttpContext http) => JsonAnswer.WriteAsync(http, 200, "live", WriteStatus));
        routes.MapGet("/health/ready", static (HttpContext http, HealthEndpoints health) => health.AnswerReadyAsync(http));
    }

    private async Task AnswerReadyAsync(HttpContext http)
    {
        var view = await ViewAsync(http.RequestAborted);
        if (view.Ready && gate.Reason is { } reason)
        {
            view = view with { Ready = false, Reason = reason };
        }

        await JsonAnswer.WriteAsync(http, view.Ready ? 200 : 503, view, WriteView);
    }

    private async Task<ClusterView> ViewAsync(CancellationToken cancellationToken)
    {
        try
        {
            return await grains.GetGrain<IClusterGrain>(IClusterGrain.Key).GetAsync().WaitAsync(options.ReadinessTimeout, cancellationToken);
        }
        catch (Exception unreachable) when (!cancellationToken.IsCancellationRequested)
        {
            LogUnreachable(unreachable);
            var reason = unreachable is TimeoutException
                ? $"The cluster has not answered within {options.ReadinessTimeout.TotalSeconds:0.#} s."
                : unreachable is ClusterException known ? known.Message : "The cluster cannot be reached; the gateway's log has the cause.";
            return new ClusterView(false, reason, [], []);
        }
    }

    private static void WriteStatus(Utf8JsonWriter json, string status)
    {
        json.WriteStartObject();
        json.WriteString("status", status);
        json.WriteEndObject();
    }

    private static void WriteView(Utf8JsonWriter json, ClusterView view)
    {
        json.WriteStartObject();
        json.WriteString("status", view.Ready ? "ready" : "not_ready");
        json.WriteString("reason", view.Reason);
        json.WriteStartArray("replicas");
        foreach (var replica in view.Replicas)
        {
            WriteReplica(json, replica);
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static void WriteReplica(Utf8JsonWriter json, ReplicaView replica)
    {
        json.WriteStartObject();
        json.WriteString("key", replica.Key);
        json.WriteBoolean("ready", replica.Ready);
        json.WriteNumber("slots", replica.Slots);
        json.WriteNumber("slots_in_use", replica.SlotsInUse);
        json.WriteNumber("pages", replica.Pages);
        json.WriteNumber("pages_in_use", replica.PagesInUse);
        json.WriteNumber("running", replica.RunningSequences);
        json.WriteNumber("waiting", replica.WaitingSequences);
        json.WriteEndObject();
    }

    [LoggerMessage(LogLevel.Warning, "The cluster grain does not answer")]
    private partial void LogUnreachable(Exception unreachable);
}
