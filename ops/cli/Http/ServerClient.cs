using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Net.ServerSentEvents;
using System.Runtime.CompilerServices;
using System.Text.Json;

namespace Loire.Cli.Http;

/// <summary>Speaks to a server over HTTP, as any application would.</summary>
internal sealed class ServerClient : IDisposable
{
    private readonly HttpClient _http;

    /// <param name="address">Of the server.</param>
    /// <param name="key">Its API key, where it asks for one.</param>
    public ServerClient(Uri address, string? key = null)
    {
        // A long prompt may take minutes before its first token.
        _http = new HttpClient { BaseAddress = address, Timeout = Timeout.InfiniteTimeSpan };
        _http.DefaultRequestHeaders.Authorization = key is null ? null : new AuthenticationHeaderValue("Bearer", key);
    }

    public async Task<ChatCompletion> ChatAsync(ChatRequest request, CancellationToken cancellationToken)
    {
        using var response = await SendAsync(request, cancellationToken);
        return await ReadAsync<ChatCompletion>(response, cancellationToken);
    }

    /// <summary>The pieces of an answer as they arrive; the last one has the usage.</summary>
    public async IAsyncEnumerable<ChatCompletion> StreamAsync(ChatRequest request, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        using var response = await SendAsync(request with { Stream = true }, cancellationToken);
        await using var body = await response.Content.ReadAsStreamAsync(cancellationToken);
        await foreach (var item in SseParser.Create(body).EnumerateAsync(cancellationToken))
        {
            if (item.Data == "[DONE]")
            {
                yield break;
            }

            var piece = JsonSerializer.Deserialize<ChatCompletion>(item.Data)!;
            if (piece.Error is { } error)
            {
                throw new ApiException(response.StatusCode, error.Message);
            }

            yield return piece;
        }
    }

    public Task<JsonElement> SessionsAsync(CancellationToken cancellationToken) => GetAsync("v1/sessions", cancellationToken);

    public Task<JsonElement> SessionAsync(string id, CancellationToken cancellationToken) => GetAsync($"v1/sessions/{id}", cancellationToken);

    public Task<JsonElement> ModelsAsync(CancellationToken cancellationToken) => GetAsync("v1/models", cancellationToken);

    public Task ForkAsync(string id, string newId, CancellationToken cancellationToken) =>
        PostAsync($"v1/sessions/{id}/fork", new { id = newId }, cancellationToken);

    public Task RewindAsync(string id, int turns, CancellationToken cancellationToken) =>
        PostAsync($"v1/sessions/{id}/rewind", new { turns }, cancellationToken);

    public Task<JsonElement> ClusterAsync(CancellationToken cancellationToken) => GetAsync("v1/cluster", cancellationToken);

    public Task DrainAsync(string silo, CancellationToken cancellationToken) => PostAsync($"v1/cluster/silos/{silo}/drain", new { }, cancellationToken);

    public Task HibernateSiloAsync(string silo, CancellationToken cancellationToken) => PostAsync($"v1/cluster/silos/{silo}/hibernate", new { }, cancellationToken);

    /// <summary>Takes a session to another silo; null: any other. What the server says of it.</summary>
    public async Task<JsonElement> MoveAsync(string id, string? silo, CancellationToken cancellationToken)
    {
        using var response = await _http.PostAsJsonAsync($"v1/sessions/{id}/move", new { silo }, cancellationToken);
        await ThrowIfRefusedAsync(response, cancellationToken);
        return await ReadAsync<JsonElement>(response, cancellationToken);
    }

    public Task HibernateAsync(string id, CancellationToken cancellationToken) =>
        PostAsync($"v1/sessions/{id}/hibernate", new { }, cancellationToken);

    public async Task DeleteAsync(string id, CancellationToken cancellationToken)
    {
        using var response = await _http.DeleteAsync($"v1/sessions/{id}", cancellationToken);
    }

    /// <summary>False while the server starts, or when there is none.</summary>
    public async Task<bool> IsReadyAsync(CancellationToken cancellationToken)
    {
        try
        {
            using var response = await _http.GetAsync("health/ready", cancellationToken);
            return response.IsSuccessStatusCode;
        }
        catch (HttpRequestException)
        {
            return false;
        }
    }

    public void Dispose() => _http.Dispose();

    private async Task<HttpResponseMessage> SendAsync(ChatRequest request, CancellationToken cancellationToken)
    {
        using var message = new HttpRequestMessage(HttpMethod.Post, "v1/chat/completions") { Content = JsonContent.Create(request) };
        if (request.NamedSession is { } session)
        {
            message.Headers.Add("x-session-id", session);
        }

        var response = await _http.SendAsync(message, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
        await ThrowIfRefusedAsync(response, cancellationToken);
        return response;
    }

    private async Task<JsonElement> GetAsync(string path, CancellationToken cancellationToken)
    {
        using var response = await _http.GetAsync(path, cancellationToken);
        await ThrowIfRefusedAsync(response, cancellationToken);
        return await ReadAsync<JsonElement>(response, cancellationToken);
    }

    private async Task PostAsync(string path, object body, CancellationToken cancellationToken)
    {
        using var response = await _http.PostAsJsonAsync(path, body, cancellationToken);
        await ThrowIfRefusedAsync(response, cancellationToken);
    }

    private static async Task<T> ReadAsync<T>(HttpResponseMessage response, CancellationToken cancellationToken) =>
        await response.Content.ReadFromJsonAsync<T>(cancellationToken) ?? throw new ApiException(response.StatusCode, "The server answered 'null'.");

    private static async Task ThrowIfRefusedAsync(HttpResponseMessage response, CancellationToken cancellationToken)
    {
        if (response.IsSuccessStatusCode)
        {
            return;
        }

        using (response)
        {
            var text = await response.Content.ReadAsStringAsync(cancellationToken);
            throw new ApiException(response.StatusCode, MessageOf(text) ?? $"{(int)response.StatusCode} {response.ReasonPhrase}: {text}");
        }
    }

    private static string? MessageOf(string body)
    {
        try
        {
            return JsonSerializer.Deserialize<ErrorBody>(body)?.Error?.Message;
        }
        catch (JsonException)
        {
            return null; // not from this server, perhaps a proxy: the caller shows it as it is
        }
    }
}
