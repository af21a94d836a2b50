using System.Diagnostics.CodeAnalysis;
using System.Net;
using System.Text;
using System.Text.Json;
using Loire.Cli.Http;
using Loire.Cli.Serve;

namespace Loire.EndToEnd.Tests.Running;

/// <summary>A server process with the demo model that all tests of the collection share. Sessions are told apart by their names.</summary>
[SuppressMessage("Design", "CA1001", Justification = "xunit calls DisposeAsync.")]
public sealed class DemoServer : IAsyncLifetime
{
    private readonly TemporaryFolder _data = new();
    private ServerProcess? _process;
    private ServerClient? _client;
    private HttpClient? _http;

    internal string Address => (_process ?? throw new InvalidOperationException("The server is not started.")).Address.ToString();

    internal ServerClient Client => _client ?? throw new InvalidOperationException("The server is not started.");

    /// <summary>For requests that no well-meaning client sends.</summary>
    internal HttpClient Http => _http ?? throw new InvalidOperationException("The server is not started.");

    public async Task InitializeAsync()
    {
        _process = await ServerProcess.StartAsync(_data.Path, Demo.Model, Deadline.Token());
        _client = new ServerClient(_process.Address);
        _http = new HttpClient { BaseAddress = _process.Address };
    }

    public async Task DisposeAsync()
    {
        _http?.Dispose();
        _client?.Dispose();
        if (_process is not null)
        {
            await _process.DisposeAsync();
        }

        _data.Dispose();
    }

    internal async Task<(HttpStatusCode Status, JsonElement Body)> PostAsync(string path, string json)
    {
        using var content = new StringContent(json, Encoding.UTF8, "application/json");
        using var response = await Http.PostAsync(path, content, Deadline.Token());
        var text = await response.Content.ReadAsStringAsync(Deadline.Token());
        return (response.StatusCode, JsonElement.Parse(text));
    }

    /// <summary>The first replica, as <c>/health/ready</c> shows it.</summary>
    internal async Task<JsonElement> ReplicaAsync()
    {
        var text = await Http.GetStringAsync("health/ready", Deadline.Token());
        return JsonElement.Parse(text).GetProperty("replicas")[0];
    }
}

[CollectionDefinition(Name)]
public sealed class DemoServerCollection : ICollectionFixture<DemoServer>
{
    public const string Name = "one demo server";
}
