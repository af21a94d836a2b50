using System.Net.Http.Json;
using System.Net.ServerSentEvents;
using System.Text.Json;

namespace Loire.Gateway.Tests;

/// <summary>A streamed answer, read event by event.</summary>
internal sealed class SseReader : IAsyncDisposable
{
    private readonly HttpResponseMessage _response;
    private readonly Stream _body;
    private readonly IAsyncEnumerator<SseItem<string>> _items;

    private SseReader(HttpResponseMessage response, Stream body)
    {
        _response = response;
        _body = body;
        _items = SseParser.Create(body).EnumerateAsync().GetAsyncEnumerator();
    }

    public HttpResponseMessage Response => _response;

    /// <summary>Opens a stream; the response's headers have arrived when this returns.</summary>
    public static async Task<SseReader> OpenAsync(TestGateway gateway, object body, string path = "/v1/chat/completions", CancellationToken cancellationToken = default)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, path) { Content = JsonContent.Create(body) };
        var response = await gateway.Http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
        Assert.True(response.IsSuccessStatusCode, $"{(int)response.StatusCode}");
        Assert.Equal("text/event-stream", response.Content.Headers.ContentType?.MediaType);
        return new SseReader(response, await response.Content.ReadAsStreamAsync(cancellationToken));
    }

    /// <summary>The next event's data, or null at the end.</summary>
    public async Task<string?> NextAsync() => await _items.MoveNextAsync() ? _items.Current.Data : null;

    /// <summary>All events that are left, without the closing <c>[DONE]</c>, which must be there unless an error ended the stream.</summary>
    public async Task<List<JsonElement>> RestAsync()
    {
        var events = new List<JsonElement>();
        while (await NextAsync() is { } data)
        {
            if (data == "[DONE]")
            {
                Assert.Null(await NextAsync());
                return events;
            }

            events.Add(JsonElement.Parse(data));
        }

        Assert.True(events[^1].TryGetProperty("error", out _), "The stream ended without [DONE].");
        return events;
    }

    /// <summary>The text of all deltas that are left.</summary>
    public async Task<string> TextAsync() => TextOf(await RestAsync());

    public static string TextOf(IEnumerable<JsonElement> events) => string.Concat(events
        .Where(item => item.GetProperty("choices").GetArrayLength() > 0)
        .Select(item => item.GetProperty("choices")[0].GetProperty("delta").TryGetProperty("content", out var content) ? content.GetString() : ""));

    public async ValueTask DisposeAsync()
    {
        await _items.DisposeAsync();
        await _body.DisposeAsync();
        _response.Dispose();
    }
}
