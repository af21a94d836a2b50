using System.Net;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Orleans;

namespace Loire.Gateway.Tests;

/// <summary>A gateway on a real socket, in front of a cluster in memory.</summary>
internal sealed class TestGateway : IAsyncDisposable
{
    private readonly WebApplication _app;

    private TestGateway(WebApplication app, FakeCluster cluster)
    {
        _app = app;
        Cluster = cluster;
        Gate = app.Services.GetRequiredService<AdmissionGate>();
        Http = new HttpClient(new SocketsHttpHandler { UseCookies = false }) { BaseAddress = new Uri(app.Urls.Single()), Timeout = TimeSpan.FromMinutes(1) };
    }

    public FakeCluster Cluster { get; }

    public HttpClient Http { get; }

    public AdmissionGate Gate { get; }

    public static async Task<TestGateway> StartAsync(GatewayOptions? options = null, FakeCluster? cluster = null)
    {
        cluster ??= new FakeCluster();
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseKestrel().UseUrls("http://127.0.0.1:0");
        builder.Services.AddSingleton<IGrainFactory>(cluster);
        builder.AddLoireGateway(options ?? new GatewayOptions { ModelListAge = TimeSpan.Zero, FailoverTimeout = TimeSpan.Zero });
        var app = builder.Build();
        app.MapLoireGateway();
        await app.StartAsync();
        return new TestGateway(app, cluster);
    }

    /// <summary>Posts JSON text as it is.</summary>
    public Task<HttpResponseMessage> PostAsync(string path, string json) => Http.PostAsync(path, new StringContent(json, Encoding.UTF8, "application/json"));

    public Task<HttpResponseMessage> ChatAsync(object body) => Http.PostAsJsonAsync("/v1/chat/completions", body);

    /// <summary>The answer to a chat request that must succeed.</summary>
    public async Task<JsonElement> AnswerAsync(object body)
    {
        using var response = await ChatAsync(body);
        var text = await response.Content.ReadAsStringAsync();
        Assert.True(response.StatusCode == HttpStatusCode.OK, $"{(int)response.StatusCode}: {text}");
        return JsonElement.Parse(text);
    }

    /// <summary>Posts to chat what must be refused, and returns the error.</summary>
    public Task<ApiError> RefusedChatAsync(object body) => RefusedAsync("/v1/chat/completions", JsonSerializer.Serialize(body));

    public async Task<ApiError> RefusedAsync(string path, string json)
    {
        using var response = await PostAsync(path, json);
        return await ApiError.ReadAsync(response);
    }

    public static object Says(string content, string? session = null, string? turn = null) =>
        new { session_id = session, turn_id = turn, messages = new[] { new { role = "user", content } } };

    public async ValueTask DisposeAsync()
    {
        Http.Dispose();
        await _app.StopAsync();
        await _app.DisposeAsync();
        Assert.Equal(0, Gate.Inside);
    }
}

/// <summary>An error in OpenAI's shape.</summary>
internal sealed record ApiError(int Status, string Message, string Type, string? Param, string? Code, TimeSpan? RetryAfter)
{
    public static async Task<ApiError> ReadAsync(HttpResponseMessage response)
    {
        var text = await response.Content.ReadAsStringAsync();
        Assert.True((int)response.StatusCode >= 400, $"{(int)response.StatusCode}: {text}");
        Assert.Equal("application/json", response.Content.Headers.ContentType?.MediaType);
        return Of((int)response.StatusCode, JsonElement.Parse(text)) with { RetryAfter = response.Headers.RetryAfter?.Delta };
    }

    public static ApiError Of(int status, JsonElement body)
    {
        var error = body.GetProperty("error");
        return new ApiError(status, error.GetProperty("message").GetString()!, error.GetProperty("type").GetString()!, error.GetProperty("param").GetString(), error.GetProperty("code").GetString(), null);
    }
}
