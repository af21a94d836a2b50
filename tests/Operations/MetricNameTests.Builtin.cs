using System.Runtime.CompilerServices;
using System.Text.Json;
using System.Text.RegularExpressions;
using Loire.Actors.Redis;
using Loire.Gateway;
using Loire.Store;
using Loire.Store.Redis;
using Loire.Telemetry;
using Loire.Telemetry.Prometheus;
using Microsoft.Extensions.Logging.Abstractions;

namespace Loire.Operations.Tests;

/// <summary>Rules and dashboard ask only for what the code measures: a wrong name would be silence, and look like peace.</summary>
public sealed partial class MetricNameTests
{
    private const string Rules = "ops/observability/alerts.yml";
    private const string Dashboard = "ops/observability/grafana/dashboards/loire.json";

    private static readonly Lazy<Task<HashSet<string>>> s_measured = new(MeasuredAsync);

    [Fact]
    public async Task Every_metric_of_an_alert_is_measured() => await AssertMeasuredAsync(Rules, Alerts().Select(alert => alert.Expression));

    [Fact]
    public async Task Every_metric_of_the_dashboard_is_measured() => await AssertMeasuredAsync(Dashboard, Expressions());

    [Fact]
    public void Every_alert_says_how_bad_it_is_and_where_to_read_on()
    {
        Assert.True(Alerts().Count > 15);
        Assert.All(Alerts(), alert =>
        {
            Assert.Contains(alert.Severity, new[] { "page", "ticket", "info" });
            Assert.True(RepositoryFiles.Exists(alert.Runbook), $"{alert.Name} sends people to {alert.Runbook}, which is not there.");
        });
    }

    [Fact]
    public void A_panel_has_a_place_of_its_own_and_the_data_source_that_is_provisioned()
    {
        using var dashboard = JsonDocument.Parse(RepositoryFiles.Read(Dashboard));
        var source = Yaml.Documents("ops/observability/grafana/provisioning/datasources/prometheus.yml").Single().At("datasources").Items().Single().At("uid").Text();
        var panels = dashboard.RootElement.GetProperty("panels").EnumerateArray().Where(panel => panel.GetProperty("type").GetString() != "row").ToArray();

        Assert.True(panels.Length > 20);
        Assert.Equal(panels.Length, panels.Select(panel => (panel.GetProperty("gridPos").GetProperty("x").GetInt32(), panel.GetProperty("gridPos").GetProperty("y").GetInt32())).Distinct().Count());
        Assert.All(panels, panel => Assert.Equal(source, panel.GetProperty("datasource").GetProperty("uid").GetString()));
        Assert.All(panels, panel => Assert.True(panel.GetProperty("gridPos").GetProperty("x").GetInt32() + panel.GetProperty("gridPos").GetProperty("w").GetInt32() <= 24));
    }

    private static async Task AssertMeasuredAsync(string file, IEnumerable<string> expressions)
    {
        var measured = await s_measured.Value;
        var asked = expressions.SelectMany(expression => MetricName().Matches(Labels().Replace(expression, "")).Select(match => match.Value)).Distinct().ToArray();

        Assert.True(asked.Length > 10, $"{file} asks for {asked.Length} metrics.");
        Assert.All(asked, name => Assert.True(measured.Contains(name) || measured.Contains(Suffix().Replace(name, "")), $"{file} asks for {name}, which no meter has."));
    }

    /// <summary>All meters of gateway and silo, made here without either.</summary>
    private static async Task<HashSet<string>> MeasuredAsync()
    {
        using var exporter = new PrometheusExporter();
        using var all = new LoireMetrics();
        using var gateway = new GatewayMetrics(new AdmissionGate(new GatewayOptions()));
        using var store = new StoreCounters(() => 0);
        await using var redis = new RedisStore(new RedisStoreOptions { Connection = "127.0.0.1:1" }, TimeProvider.System, NullLogger<RedisStore>.Instance);
        using var health = new RedisHealthMeter(redis, TimeProvider.System);
        RuntimeHelpers.RunClassConstructor(typeof(ClusterMetrics).TypeHandle);
        return [.. exporter.Names];
    }

    private static IReadOnlyList<(string Name, string Expression, string Severity, string Runbook)> Alerts() =>
    [
        .. from alertGroup in Yaml.Documents(Rules).Single().At("groups").Items()
           from rule in alertGroup.At("rules").Items()
           select (rule.At("alert").Text()!, rule.At("expr").Text()!, rule.At("labels", "severity").Text()!, rule.At("annotations", "runbook").Text()!),
    ];

    private static IEnumerable<string> Expressions()
    {
        using var dashboard = JsonDocument.Parse(RepositoryFiles.Read(Dashboard));
        return [.. from panel in dashboard.RootElement.GetProperty("panels").EnumerateArray()
                   where panel.TryGetProperty("targets", out _)
                   from target in panel.GetProperty("targets").EnumerateArray()
                   select target.GetProperty("expr").GetString()!];
    }

    [GeneratedRegex(@"\b(?:loire|dotnet)_[a-z0-9_]+\b")]
    private static partial Regex MetricName();

    [GeneratedRegex(@"\{[^}]*\}")]
    private static partial Regex Labels();

    [GeneratedRegex("_(?:bucket|sum|count)$")]
    private static partial Regex Suffix();
}
