using System.Diagnostics;
using System.Net;
using System.Text.Json;
using Loire.Cli.Cluster;
using Loire.Telemetry.Prometheus;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Loire.Operations.Tests;

public sealed class OpsServerTests : IDisposable
{
    private readonly PrometheusExporter _exporter = new();
    private readonly WebApplication _app;
    private readonly HttpClient _http;
    private string? _reason = "Replica 'loire-demo/silo-1' is being loaded: 40 %.";

    public OpsServerTests()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        _app = builder.Build();
        OpsServer.Map(_app, () => _reason, _exporter);
        ((IHost)_app).Start();
        _http = new HttpClient { BaseAddress = new Uri(_app.Urls.Single()) };
    }

    public void Dispose()
    {
        _http.Dispose();
        ((IDisposable)_app).Dispose();
        _exporter.Dispose();
    }

    [Fact]
    public async Task A_silo_is_ready_when_nothing_speaks_against_it()
    {
        using var before = await _http.GetAsync("/health/ready");
        var said = JsonElement.Parse(await before.Content.ReadAsStringAsync());
        _reason = null;
        using var after = await _http.GetAsync("/health/ready");

        Assert.Equal(HttpStatusCode.ServiceUnavailable, before.StatusCode);
        Assert.Equal("not_ready", said.GetProperty("status").GetString());
        Assert.Equal("Replica 'loire-demo/silo-1' is being loaded: 40 %.", said.GetProperty("reason").GetString());
        Assert.Equal(HttpStatusCode.OK, after.StatusCode);
    }

    [Fact]
    public async Task A_silo_that_is_not_ready_is_alive()
    {
        using var live = await _http.GetAsync("/health/live");

        Assert.Equal(HttpStatusCode.OK, live.StatusCode);
    }

    [Fact]
    public async Task Metrics_come_as_Prometheus_reads_them()
    {
        using var metrics = await _http.GetAsync("/metrics");

        Assert.Equal("text/plain; version=0.0.4; charset=utf-8", metrics.Content.Headers.ContentType?.ToString());
        Assert.Contains("\nloire_process_started_seconds ", await metrics.Content.ReadAsStringAsync(), StringComparison.Ordinal);
    }

    /// <summary>What the images' health checks call, as they have no curl.</summary>
    [Theory]
    [InlineData("/health/live", 0)]
    [InlineData("/health/ready", 1)]
    [InlineData("/nothing", 1)]
    public async Task The_health_check_of_the_image_says_yes_to_a_200_only(string path, int exitCode)
    {
        if (OperatingSystem.IsWindows())
        {
            return; // a script of the image, which is Linux
        }

        using var check = Process.Start(new ProcessStartInfo(
            Path.Combine(RepositoryFiles.Root, "ops", "docker", "healthy"), [$"{_http.BaseAddress!.Port}", path]) { RedirectStandardError = true })!;
        await check.WaitForExitAsync();

        Assert.Equal(exitCode, check.ExitCode);
    }
}
