using System.Net;
using Loire.EndToEnd.Tests.Running;

namespace Loire.EndToEnd.Tests;

/// <summary>Bad input is refused with the field's name, and the server goes on.</summary>
[Collection(DemoServerCollection.Name)]
public sealed class BadRequestTests(DemoServer server)
{
    [Theory]
    [InlineData("""{"model": "no-such-model", "messages": [{"role": "user", "content": "Hello."}]}""", 404, "model")]
    [InlineData("""{"messages": []}""", 400, "messages")]
    [InlineData("""{}""", 400, "messages")]
    [InlineData("""{"messages": "Hello."}""", 400, "messages")]
    [InlineData("""{"messages": [{"role": "wizard", "content": "Hello."}]}""", 400, "messages[0].role")]
    [InlineData("""{"messages": [{"role": "user", "content": "Hello."}], "temperature": 7}""", 400, "temperature")]
    [InlineData("""{"messages": [{"role": "user", "content": "Hello."}], "temperature": "hot"}""", 400, "temperature")]
    [InlineData("""{"messages": [{"role": "user", "content": "Hello."}], "max_tokens": 0}""", 400, "max_tokens")]
    [InlineData("""{"messages": [{"role": "user", "content": "Hello."}], "stop": ["1","2","3","4","5","6","7","8","9","10","11","12","13","14","15","16","17"]}""", 400, "stop")]
    [InlineData("""{"messages": [{"role": "user", "content": "Hello."}], "session_id": "../etc/passwd"}""", 400, "session_id")]
    public async Task A_bad_field_is_named(string body, int status, string field)
    {
        var (actual, answer) = await server.PostAsync("v1/chat/completions", body);

        Assert.Equal((HttpStatusCode)status, actual);
        Assert.Equal(field, answer.GetProperty("error").GetProperty("param").GetString());
        Assert.Contains(field.Split('[', '.')[0], answer.GetProperty("error").GetProperty("message").GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Malformed_JSON_is_refused()
    {
        var (status, answer) = await server.PostAsync("v1/chat/completions", """{"messages": [""");

        Assert.Equal(HttpStatusCode.BadRequest, status);
        Assert.Contains("JSON", answer.GetProperty("error").GetProperty("message").GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_prompt_beyond_the_context_is_too_large()
    {
        var text = string.Concat(Enumerable.Repeat("12 34 ", 60_000));

        var (status, answer) = await server.PostAsync("v1/chat/completions", $$"""{"messages": [{"role": "user", "content": "{{text}}"}]}""");

        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, status);
        Assert.Equal("messages", answer.GetProperty("error").GetProperty("param").GetString());
    }

    [Fact]
    public async Task A_body_beyond_the_limit_is_too_large()
    {
        var (status, _) = await server.PostAsync("v1/chat/completions", $$"""{"messages": [{"role": "user", "content": "{{new string('x', 9 << 20)}}"}]}""");

        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, status);
    }

    [Fact]
    public async Task The_chat_page_and_the_models_are_there()
    {
        var page = await server.Http.GetAsync("/", Deadline.Token());
        var models = await server.Client.ModelsAsync(Deadline.Token());

        Assert.Equal("text/html", page.Content.Headers.ContentType?.MediaType);
        Assert.Equal("loire-demo", models.GetProperty("data")[0].GetProperty("id").GetString());
    }
}
