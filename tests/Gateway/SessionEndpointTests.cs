using System.Net;
using System.Text.Json;

namespace Loire.Gateway.Tests;

/// <summary>Sessions as things of their own: listed, shown, forked, rewound, hibernated, deleted.</summary>
public sealed class SessionEndpointTests
{
    [Theory]
    [InlineData("silo-2", "link", 598_016, null)]
    [InlineData("silo-3", "store", 0, "There is no room for it.")]
    public async Task A_move_says_how_the_state_went_how_much_of_it_and_how_long_it_took(string silo, string via, long bytes, string? reason)
    {
        await using var gateway = await TestGateway.StartAsync();
        await gateway.AnswerAsync(TestGateway.Says("Hi", session: "a"));

        var answer = await gateway.Http.PostAsync("/v1/sessions/a/move", new StringContent($$"""{"silo": "{{silo}}"}""", System.Text.Encoding.UTF8, "application/json"));

        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        var move = JsonElement.Parse(await answer.Content.ReadAsStringAsync());
        Assert.Equal(("silo-1", silo, false), (move.GetProperty("from").GetString(), move.GetProperty("to").GetString(), move.GetProperty("was_running").GetBoolean()));
        Assert.Equal((via, bytes, 131_072L, 4.062), (move.GetProperty("via").GetString(), move.GetProperty("bytes").GetInt64(), move.GetProperty("shared_bytes").GetInt64(), move.GetProperty("pause_ms").GetDouble()));
        Assert.Equal(reason, move.GetProperty("reason").GetString());
    }

    [Fact]
    public async Task Sessions_are_listed_page_by_page()
    {
        await using var gateway = await TestGateway.StartAsync();
        foreach (var id in new[] { "a", "b", "c" })
        {
            await gateway.AnswerAsync(TestGateway.Says("Hi", session: id));
        }

        var first = JsonElement.Parse(await gateway.Http.GetStringAsync("/v1/sessions?limit=2"));
        var second = JsonElement.Parse(await gateway.Http.GetStringAsync($"/v1/sessions?limit=2&after={first.GetProperty("next").GetString()}"));

        Assert.Equal(["a", "b"], Ids(first));
        Assert.Equal(["c"], Ids(second));
        Assert.Equal((true, false), (first.GetProperty("has_more").GetBoolean(), second.GetProperty("has_more").GetBoolean()));
    }

    [Theory]
    [InlineData("a")]
    [InlineData("Team:alpha.v2_final-3")]
    [InlineData("0")]
    public async Task A_session_of_any_valid_name_is_shown_with_its_turns(string id)
    {
        await using var gateway = await TestGateway.StartAsync();
        await gateway.AnswerAsync(TestGateway.Says("Hi", session: id));

        var session = JsonElement.Parse(await gateway.Http.GetStringAsync($"/v1/sessions/{id}"));

        Assert.Equal(id, session.GetProperty("id").GetString());
        Assert.True(session.GetProperty("state_bytes").GetInt64() > 0);
        var turn = Assert.Single(session.GetProperty("turns").EnumerateArray());
        Assert.Equal(["user:Hi", "assistant:Hello there."], turn.GetProperty("messages").EnumerateArray().Select(message => $"{message.GetProperty("role").GetString()}:{message.GetProperty("content").GetString()}"));
    }

    [Fact]
    public async Task Forks_and_rewinds_go_to_any_turn()
    {
        await using var gateway = await TestGateway.StartAsync();
        foreach (var text in new[] { "One", "Two", "Three" })
        {
            await gateway.AnswerAsync(TestGateway.Says(text, session: "s"));
        }

        var (forkStatus, fork) = await PostAsync(gateway, "/v1/sessions/s/fork", """{"id":"branch","at":"record-s-2"}""");
        var (_, unnamed) = await PostAsync(gateway, "/v1/sessions/s/fork", "");
        var (rewindStatus, rewound) = await PostAsync(gateway, "/v1/sessions/s/rewind", """{"to":"record-s-1"}""");
        var (taken, _) = await PostAsync(gateway, "/v1/sessions/s/fork", """{"id":"branch"}""");
        var (missing, error) = await PostAsync(gateway, "/v1/sessions/s/rewind", """{"to":"record-s-9"}""");

        Assert.Equal((HttpStatusCode.Created, HttpStatusCode.OK, HttpStatusCode.Conflict, HttpStatusCode.NotFound), (forkStatus, rewindStatus, taken, missing));
        Assert.Equal(("branch", 2, "s"), (fork.GetProperty("id").GetString(), fork.GetProperty("turn_count").GetInt32(), fork.GetProperty("forked_from").GetString()));
        Assert.Equal(3, unnamed.GetProperty("turn_count").GetInt32());
        Assert.StartsWith("fork-", unnamed.GetProperty("id").GetString(), StringComparison.Ordinal);
        Assert.Equal(1, rewound.GetProperty("turn_count").GetInt32());
        Assert.Contains("record-s-9", error.GetProperty("error").GetProperty("message").GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_session_hibernates_and_is_deleted_once()
    {
        await using var gateway = await TestGateway.StartAsync();
        await gateway.AnswerAsync(TestGateway.Says("Hi", session: "s"));

        var (hibernated, released) = await PostAsync(gateway, "/v1/sessions/s/hibernate", "");
        using var deleted = await gateway.Http.DeleteAsync("/v1/sessions/s");
        using var again = await gateway.Http.DeleteAsync("/v1/sessions/s");

        Assert.Equal(HttpStatusCode.OK, hibernated);
        Assert.True(released.GetProperty("released").GetBoolean());
        Assert.Equal((HttpStatusCode.OK, HttpStatusCode.NotFound), (deleted.StatusCode, again.StatusCode));
    }

    private static IEnumerable<string?> Ids(JsonElement page) => page.GetProperty("data").EnumerateArray().Select(session => session.GetProperty("id").GetString());

    private static async Task<(HttpStatusCode, JsonElement)> PostAsync(TestGateway gateway, string path, string json)
    {
        using var response = json.Length == 0 ? await gateway.Http.PostAsync(path, null) : await gateway.PostAsync(path, json);
        return (response.StatusCode, JsonElement.Parse(await response.Content.ReadAsStringAsync()));
    }
}
