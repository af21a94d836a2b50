using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Loire.Gateway.Tests;

/// <summary>What must be refused, with a 4xx and a message that names the field, before it reaches a session.</summary>
public sealed class BadInputTests(BadInputTests.Shared shared) : IClassFixture<BadInputTests.Shared>
{
    private readonly TestGateway _gateway = shared.Gateway;

    [Theory]
    [InlineData("model", "\"gpt-4\"", 404, "model", "gpt-4")]
    [InlineData("model", "3", 400, "model", "a string")]
    [InlineData("messages", null, 400, "messages", "missing")]
    [InlineData("messages", "[]", 400, "messages", "empty")]
    [InlineData("messages", "\"hello\"", 400, "messages", "an array")]
    [InlineData("messages", "[\"hello\"]", 400, "messages[0]", "an object")]
    [InlineData("messages", "[{\"content\":\"x\"}]", 400, "messages[0].role", "missing")]
    [InlineData("messages", "[{\"role\":\"wizard\",\"content\":\"x\"}]", 400, "messages[0].role", "wizard")]
    [InlineData("messages", "[{\"role\":7,\"content\":\"x\"}]", 400, "messages[0].role", "a string")]
    [InlineData("messages", "[{\"role\":\"user\"}]", 400, "messages[0].content", "missing")]
    [InlineData("messages", "[{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"assistant\",\"content\":\"b\"},{\"role\":\"user\",\"content\":{}}]", 400, "messages[2].content", "an object")]
    [InlineData("messages", "[{\"role\":\"user\",\"content\":[\"x\"]}]", 400, "messages[0].content[0]", "an object")]
    [InlineData("messages", "[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"a\"},{\"type\":\"image_url\"}]}]", 400, "messages[0].content[1].type", "image_url")]
    [InlineData("messages", "[{\"role\":\"user\",\"content\":[{\"type\":\"text\"}]}]", 400, "messages[0].content[0].text", "missing")]
    [InlineData("messages", "[{\"role\":\"user\",\"content\":\"x\",\"name\":[]}]", 400, "messages[0].name", "a string")]
    [InlineData("temperature", "2.01", 400, "temperature", "2.01")]
    [InlineData("temperature", "-0.1", 400, "temperature", "-0.1")]
    [InlineData("temperature", "1e999", 400, "temperature", "1e999")]
    [InlineData("temperature", "\"hot\"", 400, "temperature", "a number")]
    [InlineData("top_p", "0", 400, "top_p", "above 0")]
    [InlineData("top_p", "1e-60", 400, "top_p", "above 0")]
    [InlineData("top_p", "1.5", 400, "top_p", "1.5")]
    [InlineData("top_k", "1.5", 400, "top_k", "whole")]
    [InlineData("min_p", "2", 400, "min_p", "2")]
    [InlineData("repetition_penalty", "0", 400, "repetition_penalty", "0.01 to 10")]
    [InlineData("repetition_penalty", "1e-30", 400, "repetition_penalty", "0.01 to 10")]
    [InlineData("presence_penalty", "3", 400, "presence_penalty", "3")]
    [InlineData("frequency_penalty", "-3", 400, "frequency_penalty", "-3")]
    [InlineData("logit_bias", "[]", 400, "logit_bias", "an object")]
    [InlineData("logit_bias", "{\"hello\":1}", 400, "logit_bias", "hello")]
    [InlineData("logit_bias", "{\"5\":101}", 400, "logit_bias.5", "101")]
    [InlineData("logit_bias", "{\"99999\":1}", 400, "logit_bias.99999", "4,096")]
    [InlineData("logprobs", "1", 400, "logprobs", "true or false")]
    [InlineData("top_logprobs", "5", 400, "top_logprobs", "logprobs")]
    [InlineData("top_logprobs", "21", 400, "top_logprobs", "20")]
    [InlineData("stop", "5", 400, "stop", "a number")]
    [InlineData("stop", "[\"a\",5]", 400, "stop[1]", "a string")]
    [InlineData("stop", "\"\"", 400, "stop", "bytes")]
    [InlineData("stop", "[\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\",\"9\",\"10\",\"11\",\"12\",\"13\",\"14\",\"15\",\"16\",\"17\"]", 400, "stop", "17")]
    [InlineData("seed", "1.5", 400, "seed", "64 bits")]
    [InlineData("seed", "\"x\"", 400, "seed", "a whole number")]
    [InlineData("n", "2", 400, "n", "1")]
    [InlineData("stream", "\"yes\"", 400, "stream", "true or false")]
    [InlineData("stream_options", "true", 400, "stream_options", "an object")]
    [InlineData("stream_options", "{\"include_usage\":1}", 400, "stream_options.include_usage", "true or false")]
    [InlineData("max_tokens", "0", 400, "max_tokens", "0")]
    [InlineData("max_tokens", "\"many\"", 400, "max_tokens", "a string")]
    [InlineData("max_tokens", "99999999999", 400, "max_tokens", "99999999999")]
    [InlineData("max_tokens", "5000", 400, "max_tokens", "4,096")]
    [InlineData("max_completion_tokens", "5000", 400, "max_completion_tokens", "4,096")]
    [InlineData("durability", "\"eventually\"", 400, "durability", "eventually")]
    [InlineData("ignore_eos", "1", 400, "ignore_eos", "true or false")]
    [InlineData("user", "1", 400, "user", "a string")]
    [InlineData("response_format", "{\"type\":\"json_object\"}", 400, "response_format.type", "json_object")]
    [InlineData("response_format", "\"text\"", 400, "response_format", "an object")]
    [InlineData("tools", "{}", 400, "tools", "an array")]
    [InlineData("tools", "[1]", 400, "tools[0]", "an object")]
    [InlineData("tool_choice", "\"required\"", 400, "tool_choice", "required")]
    [InlineData("session_id", "\"\"", 400, "session_id", "letters")]
    [InlineData("session_id", "\"a/b\"", 400, "session_id", "a/b")]
    [InlineData("session_id", "\"../../etc/passwd\"", 400, "session_id", "../../etc/passwd")]
    [InlineData("session_id", "\"-rf\"", 400, "session_id", "-rf")]
    [InlineData("session_id", "\"a b\"", 400, "session_id", "a b")]
    [InlineData("session_id", "\"séance\"", 400, "session_id", "séance")]
    [InlineData("session_id", "\"a\\u0000b\"", 400, "session_id", "letters")]
    [InlineData("session_id", "12", 400, "session_id", "a string")]
    [InlineData("turn_id", "\"?\"", 400, "turn_id", "?")]
    public async Task A_wrong_field_is_refused_by_name(string field, string? json, int status, string param, string said)
    {
        var body = JsonNode.Parse("""{"messages":[{"role":"user","content":"Hi"}]}""")!.AsObject();
        body.Remove(field);
        var text = json is null ? body.ToJsonString() : body.Count == 0 ? $$"""{"{{field}}":{{json}}}""" : $$"""{{body.ToJsonString()[..^1]}},"{{field}}":{{json}}}""";

        var error = await _gateway.RefusedAsync("/v1/chat/completions", text);

        Assert.Equal((status, param, "invalid_request_error"), (error.Status, error.Param, error.Type));
        Assert.Contains(said, error.Message, StringComparison.Ordinal);
        Assert.Contains(param, error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{"prompt":""}""", "prompt")]
    [InlineData("""{}""", "prompt")]
    [InlineData("""{"prompt":[]}""", "prompt")]
    [InlineData("""{"prompt":5}""", "prompt")]
    [InlineData("""{"prompt":["a","b"]}""", "prompt")]
    [InlineData("""{"prompt":[1,"b"]}""", "prompt")]
    [InlineData("""{"prompt":[[1,2],[3]]}""", "prompt")]
    [InlineData("""{"prompt":[1,-2]}""", "prompt[1]")]
    [InlineData("""{"prompt":[1,1.5]}""", "prompt[1]")]
    [InlineData("""{"prompt":[1,99999]}""", "prompt[1]")]
    [InlineData("""{"prompt":[1,true]}""", "prompt[1]")]
    [InlineData("""{"prompt":"x","logprobs":true}""", "logprobs")]
    [InlineData("""{"prompt":"x","echo":true}""", "echo")]
    [InlineData("""{"prompt":"x","suffix":"y"}""", "suffix")]
    [InlineData("""{"prompt":"x","best_of":3}""", "best_of")]
    public async Task A_wrong_prompt_is_refused_by_name(string json, string param)
    {
        var error = await _gateway.RefusedAsync("/v1/completions", json);

        Assert.Equal((400, param), (error.Status, error.Param));
        Assert.Contains(param, error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("", "empty")]
    [InlineData("   ", "empty")]
    [InlineData("[]", "an array")]
    [InlineData("null", "null")]
    [InlineData("\"text\"", "a string")]
    [InlineData("{\"messages\":", "line 1, byte")]
    [InlineData("{\n  \"messages\": [,]\n}", "line 2, byte 16")]
    [InlineData("{\"messages\":[]} trailing", "line 1, byte")]
    [InlineData("{\"messages\":[{\"role\":\"user\",\"content\":\"\\ud800 alone\"}]}", "surrogate")]
    [InlineData("{\"\\ud800\":1}", "surrogate")]
    public async Task A_body_that_is_no_object_is_refused_with_the_place(string text, string said)
    {
        var error = await _gateway.RefusedAsync("/v1/chat/completions", text);

        Assert.Equal(400, error.Status);
        Assert.Contains(said, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_body_nested_too_deeply_is_refused()
    {
        var error = await _gateway.RefusedAsync("/v1/chat/completions", "{\"x\":" + new string('[', 10_000) + new string(']', 10_000) + "}");

        Assert.Equal(400, error.Status);
        Assert.Contains("depth", error.Message, StringComparison.OrdinalIgnoreCase);
    }

    [Fact]
    public async Task A_body_that_is_not_utf8_is_refused()
    {
        using var content = new ByteArrayContent([.. "{\"messages\":[{\"role\":\"user\",\"content\":\""u8, 0xFF, 0xFE, .. "\"}]}"u8]);
        content.Headers.ContentType = new MediaTypeHeaderValue("application/json");

        using var response = await _gateway.Http.PostAsync("/v1/chat/completions", content);

        var error = await ApiError.ReadAsync(response);
        Assert.Equal(400, error.Status);
        Assert.Contains("UTF-8", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("text/plain")]
    [InlineData("application/x-www-form-urlencoded")]
    public async Task Another_media_type_is_refused_so_that_no_web_page_can_speak_for_its_reader(string mediaType)
    {
        using var response = await _gateway.Http.PostAsync("/v1/chat/completions", new StringContent("""{"messages":[{"role":"user","content":"Hi"}]}""", Encoding.UTF8, mediaType));

        var error = await ApiError.ReadAsync(response);
        Assert.Equal((415, "content-type"), (error.Status, error.Param));
    }

    [Fact]
    public async Task A_body_over_the_limit_is_refused_with_413_whether_or_not_it_says_its_length()
    {
        var body = new byte[9 << 20];
        foreach (var known in new[] { true, false })
        {
            using HttpContent content = known ? new ByteArrayContent(body) : new StreamContent(new LengthlessStream(body));
            content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
            using var response = await _gateway.Http.PostAsync("/v1/chat/completions", content);

            var error = await ApiError.ReadAsync(response);
            Assert.Equal((413, "request_too_large"), (error.Status, error.Code));
            Assert.Contains("8,388,608", error.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task A_prompt_over_the_context_is_refused_with_413()
    {
        var error = await _gateway.RefusedChatAsync(TestGateway.Says(string.Join(' ', Enumerable.Range(0, 5000))));

        Assert.Equal((413, "messages", "context_length_exceeded"), (error.Status, error.Param, error.Code));
        Assert.Contains("4,096", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Text_that_cannot_fit_the_context_is_refused_before_it_is_tokenised()
    {
        var error = await _gateway.RefusedChatAsync(TestGateway.Says(new string('x', 7 << 20)));

        Assert.Equal((413, "messages"), (error.Status, error.Param));
        Assert.Contains("bytes", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_completion_over_the_context_is_refused_with_413()
    {
        var ids = await _gateway.RefusedAsync("/v1/completions", JsonSerializer.Serialize(new { prompt = Enumerable.Repeat(5, 4096) }));
        var text = await _gateway.RefusedAsync("/v1/completions", JsonSerializer.Serialize(new { prompt = new string('x', 7 << 20) }));

        Assert.Equal((413, "prompt"), (ids.Status, ids.Param));
        Assert.Equal((413, "prompt"), (text.Status, text.Param));
    }

    [Fact]
    public async Task Too_many_messages_are_refused()
    {
        var messages = Enumerable.Repeat(new { role = "user", content = "" }, 10_001);

        var error = await _gateway.RefusedChatAsync(new { messages });

        Assert.Equal((400, "messages"), (error.Status, error.Param));
        Assert.Contains("10,001", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Headers_that_disagree_with_the_body_are_refused()
    {
        using var session = new HttpRequestMessage(HttpMethod.Post, "/v1/chat/completions") { Content = Json(TestGateway.Says("Hi", session: "one")) };
        session.Headers.Add("x-session-id", "two");
        using var turn = new HttpRequestMessage(HttpMethod.Post, "/v1/chat/completions") { Content = Json(TestGateway.Says("Hi", turn: "one")) };
        turn.Headers.Add("idempotency-key", "two");
        using var odd = new HttpRequestMessage(HttpMethod.Post, "/v1/chat/completions") { Content = Json(TestGateway.Says("Hi")) };
        odd.Headers.Add("x-session-id", "../up");

        Assert.Equal("session_id", (await RefusedAsync(session)).Param);
        Assert.Equal("turn_id", (await RefusedAsync(turn)).Param);
        Assert.Equal("x-session-id", (await RefusedAsync(odd)).Param);
    }

    [Theory]
    [InlineData("GET", "/v1/nothing", 404, "unknown_url")]
    [InlineData("GET", "/v1/chat/completions", 405, "method_not_allowed")]
    [InlineData("GET", "/v1/models/none", 404, "model_not_found")]
    [InlineData("GET", "/v1/models/meta/none", 404, "model_not_found")]
    [InlineData("GET", "/v1/sessions/none", 404, "not_found")]
    [InlineData("DELETE", "/v1/sessions/none", 404, "not_found")]
    [InlineData("POST", "/v1/sessions/none/fork", 404, "not_found")]
    [InlineData("POST", "/v1/sessions/none/hibernate", 404, "not_found")]
    [InlineData("GET", "/v1/sessions/a%2Fb", 400, "invalid_request")]
    [InlineData("GET", "/v1/sessions/..%2F..%2Fetc", 400, "invalid_request")]
    [InlineData("GET", "/v1/sessions/%00", 400, null)]
    [InlineData("GET", "/v1/sessions/a%20b", 400, "invalid_request")]
    [InlineData("GET", "/v1/sessions?limit=0", 400, "invalid_request")]
    [InlineData("GET", "/v1/sessions?limit=many", 400, "invalid_request")]
    public async Task What_is_not_there_is_said_in_the_same_shape(string method, string path, int status, string? code)
    {
        using var response = await _gateway.Http.SendAsync(new HttpRequestMessage(new HttpMethod(method), path));

        Assert.Equal((HttpStatusCode)status, response.StatusCode);
        if (code is not null)
        {
            Assert.Equal(code, (await ApiError.ReadAsync(response)).Code);
        }
    }

    [Theory]
    [InlineData("fork", """{"id":"a b"}""", "id")]
    [InlineData("fork", """{"at":5}""", "at")]
    [InlineData("rewind", """{}""", "turns")]
    [InlineData("rewind", """{"turns":0}""", "turns")]
    [InlineData("rewind", """{"turns":1,"to":"x"}""", "turns")]
    [InlineData("rewind", """{"to":""}""", "to")]
    public async Task A_wrong_fork_or_rewind_is_refused_by_name(string action, string json, string param)
    {
        var error = await _gateway.RefusedAsync($"/v1/sessions/some/{action}", json);

        Assert.Equal((400, param), (error.Status, error.Param));
    }

    private static StringContent Json(object body) => new(JsonSerializer.Serialize(body), Encoding.UTF8, "application/json");

    private async Task<ApiError> RefusedAsync(HttpRequestMessage request)
    {
        using var response = await _gateway.Http.SendAsync(request);
        return await ApiError.ReadAsync(response);
    }

    /// <summary>One gateway for all: what is refused leaves nothing behind, and no turn ever ran.</summary>
    public sealed class Shared : IAsyncLifetime
    {
        internal TestGateway Gateway { get; private set; } = null!;

        public async Task InitializeAsync() => Gateway = await TestGateway.StartAsync();

        public async Task DisposeAsync()
        {
            Assert.Empty(Gateway.Cluster.Turns);
            await Gateway.DisposeAsync();
        }
    }

    private sealed class LengthlessStream(byte[] content) : MemoryStream(content)
    {
        public override bool CanSeek => false;
    }
}
