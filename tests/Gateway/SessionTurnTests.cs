using System.Net;
using System.Text.Json;
using Loire.Contracts;

namespace Loire.Gateway.Tests;

/// <summary>Conversations that the server keeps: only what is new is sent, encoded and computed.</summary>
public sealed class SessionTurnTests
{
    [Fact]
    public async Task The_second_turn_goes_on_from_the_firsts_last_token()
    {
        await using var gateway = await TestGateway.StartAsync();

        await gateway.AnswerAsync(TestGateway.Says("My sister is called Greta.", session: "family"));
        var after = gateway.Cluster.Session("family").Tokens;
        var answer = await gateway.AnswerAsync(TestGateway.Says("What is she called?", session: "family"));

        var turn = gateway.Cluster.Turns.Last();
        Assert.Equal((after.Length, 2, "record-family-1"), (turn.KeepTokens, turn.KeepMessages, turn.ExpectedHead));
        Assert.Equal("\n<|im_start|>user\nWhat is she called?<|im_end|>\n<|im_start|>assistant\n", DemoModel.Tokenizer.Decode(turn.Tokens.AsSpan()));
        var usage = answer.GetProperty("usage");
        Assert.Equal(after.Length, usage.GetProperty("prompt_tokens_details").GetProperty("cached_tokens").GetInt32());
        Assert.Equal(after.Length + turn.Tokens.Length, usage.GetProperty("prompt_tokens").GetInt32());
        Assert.Equal(("family", "record-family-2", "device"), (Loire(answer, "session"), Loire(answer, "head"), Loire(answer, "cached_source")));
    }

    [Fact]
    public async Task A_session_that_was_rewound_to_nothing_begins_anew()
    {
        await using var gateway = await TestGateway.StartAsync();
        await gateway.AnswerAsync(TestGateway.Says("One", session: "s"));
        using var rewound = await gateway.PostAsync("/v1/sessions/s/rewind", """{"turns":1}""");

        await gateway.AnswerAsync(new { session_id = "s", messages = new[] { new { role = "system", content = "Be brief." }, new { role = "user", content = "Two" } } });

        Assert.Equal(HttpStatusCode.OK, rewound.StatusCode);
        Assert.Equal((null, 0), (gateway.Cluster.Turns.Last().ExpectedHead, gateway.Cluster.Turns.Last().KeepTokens));
    }

    [Fact]
    public async Task A_system_message_is_taken_in_the_first_turn_only()
    {
        await using var gateway = await TestGateway.StartAsync();
        var body = new { session_id = "s", messages = new[] { new { role = "user", content = "Hi" }, new { role = "system", content = "Be brief." } } };
        await gateway.AnswerAsync(body);

        var error = await gateway.RefusedChatAsync(body);

        Assert.Equal((400, "messages[1].role"), (error.Status, error.Param));
    }

    [Fact]
    public async Task A_retry_with_the_same_id_is_the_same_request_and_gets_the_same_answer()
    {
        await using var gateway = await TestGateway.StartAsync();
        await gateway.AnswerAsync(TestGateway.Says("One", session: "s"));
        var body = TestGateway.Says("Two", session: "s", turn: "turn-2");

        var first = await gateway.AnswerAsync(body);
        gateway.Cluster.Script = static (_, _) => FakeCluster.Pieces("Something else");
        var again = await gateway.AnswerAsync(body);

        Assert.Equal(first.GetProperty("choices").GetRawText(), again.GetProperty("choices").GetRawText());
        Assert.Equal(first.GetProperty("usage").GetRawText(), again.GetProperty("usage").GetRawText());
        var turns = gateway.Cluster.Turns.TakeLast(2).ToArray();
        Assert.Equal((turns[0].ExpectedHead, turns[0].KeepTokens, turns[0].KeepMessages), (turns[1].ExpectedHead, turns[1].KeepTokens, turns[1].KeepMessages));
        Assert.Equal(turns[0].Sampling.Seed, turns[1].Sampling.Seed);
        Assert.Equal(turns[0].Tokens.ToArray(), turns[1].Tokens.ToArray());
        Assert.Equal(2, gateway.Cluster.Session("s").View.Turns);
    }

    [Fact]
    public async Task A_retry_of_the_first_turn_may_repeat_its_system_message()
    {
        await using var gateway = await TestGateway.StartAsync();
        var body = new { session_id = "s", turn_id = "t", messages = new[] { new { role = "system", content = "Be brief." }, new { role = "user", content = "Hi" } } };

        await gateway.AnswerAsync(body);
        await gateway.AnswerAsync(body);

        Assert.Equal(1, gateway.Cluster.Session("s").View.Turns);
    }

    [Fact]
    public async Task The_idempotency_key_header_is_the_turns_id()
    {
        await using var gateway = await TestGateway.StartAsync();
        using var request = new HttpRequestMessage(HttpMethod.Post, "/v1/chat/completions")
        {
            Content = new StringContent("""{"messages":[{"role":"user","content":"Hi"}]}""", System.Text.Encoding.UTF8, "application/json"),
        };
        request.Headers.Add("Idempotency-Key", "retry-7");

        using var response = await gateway.Http.SendAsync(request);

        Assert.Equal("retry-7", Assert.Single(gateway.Cluster.Turns).TurnId);
    }

    [Fact]
    public async Task A_session_that_moves_on_meanwhile_is_read_again()
    {
        await using var gateway = await TestGateway.StartAsync();
        await gateway.AnswerAsync(TestGateway.Says("One", session: "s"));
        var session = gateway.Cluster.Session("s");
        var refusals = 2;
        session.BeforeTurn = _ =>
        {
            if (refusals-- > 0)
            {
                throw new ClusterException(FailureCode.HeadMoved, "The session moved.");
            }
        };

        await gateway.AnswerAsync(TestGateway.Says("Two", session: "s"));

        Assert.Equal(2, session.View.Turns);
    }

    [Fact]
    public async Task A_first_turn_that_comes_second_goes_on_from_the_other()
    {
        await using var gateway = await TestGateway.StartAsync();
        var session = gateway.Cluster.Session("s");
        session.BeforeTurn = _ =>
        {
            // Another first turn begins and ends between this one's look at the history and its begin.
            session.BeforeTurn = static _ => { };
            gateway.AnswerAsync(TestGateway.Says("One", session: "s")).GetAwaiter().GetResult();
        };

        await gateway.AnswerAsync(TestGateway.Says("Two", session: "s"));

        Assert.Equal(["One", "Two"], session.View.History.Select(turn => turn.Messages[0].Content));
        Assert.Equal([true, true, false], gateway.Cluster.Turns.Select(turn => turn.ExpectNew));
    }

    [Fact]
    public async Task A_whole_history_with_a_sessions_name_may_replace_what_the_session_has()
    {
        await using var gateway = await TestGateway.StartAsync();
        await gateway.AnswerAsync(TestGateway.Says("One", session: "s"));

        gateway.Http.DefaultRequestHeaders.Add("x-session-id", "s");
        await gateway.AnswerAsync(TestGateway.Says("Two"));

        Assert.False(gateway.Cluster.Turns.Last().ExpectNew);
    }

    [Fact]
    public async Task A_session_that_never_stands_still_is_a_409_after_a_bounded_number_of_attempts()
    {
        await using var gateway = await TestGateway.StartAsync(new GatewayOptions { HeadMovedAttempts = 3 });
        gateway.Cluster.Session("s").BeforeTurn = static _ => throw new ClusterException(FailureCode.HeadMoved, "The session moved.");

        var error = await gateway.RefusedChatAsync(TestGateway.Says("One", session: "s"));

        Assert.Equal((409, "head_moved"), (error.Status, error.Code));
        Assert.Equal(3, gateway.Cluster.Turns.Count);
    }

    [Fact]
    public async Task Two_turns_at_once_in_one_session_are_a_409_for_the_second()
    {
        await using var gateway = await TestGateway.StartAsync();
        var gate = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        gateway.Cluster.Script = (_, _) => After(gate.Task);
        await using var first = await SseReader.OpenAsync(gateway, new { session_id = "s", stream = true, messages = new[] { new { role = "user", content = "Hi" } } });

        var error = await gateway.RefusedChatAsync(TestGateway.Says("Me too", session: "s"));

        gate.SetResult();
        Assert.Equal("done", await first.TextAsync());
        Assert.Equal((409, "session_busy", "session_id"), (error.Status, error.Code, error.Param));
        Assert.NotNull(error.RetryAfter);
        Assert.Contains("'s'", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Another_model_than_the_sessions_is_refused()
    {
        await using var gateway = await TestGateway.StartAsync();
        gateway.Cluster.Models = [DemoModel.View(), DemoModel.View() with { Id = "other", Digest = "sha256:other" }];
        await gateway.AnswerAsync(TestGateway.Says("One", session: "s"));

        var error = await gateway.RefusedChatAsync(new { model = "other", session_id = "s", messages = new[] { new { role = "user", content = "Hi" } } });

        Assert.Equal((400, "model"), (error.Status, error.Param));
    }

    [Fact]
    public async Task A_context_that_a_session_has_filled_is_refused_with_413()
    {
        await using var gateway = await TestGateway.StartAsync();
        gateway.Cluster.Models = [DemoModel.View(contextTokens: 40)];
        await gateway.AnswerAsync(TestGateway.Says("One two three four five six seven", session: "s"));

        var error = await gateway.RefusedChatAsync(TestGateway.Says("One two three four five six seven", session: "s"));

        Assert.Equal((413, "messages", "context_length_exceeded"), (error.Status, error.Param, error.Code));
        Assert.Contains("rewind", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_completion_can_be_kept_in_a_session_too()
    {
        await using var gateway = await TestGateway.StartAsync();
        using var first = await gateway.PostAsync("/v1/completions", """{"prompt":"Once","session_id":"tale"}""");
        var after = gateway.Cluster.Session("tale").Tokens.Length;

        using var second = await gateway.PostAsync("/v1/completions", """{"prompt":" upon","session_id":"tale"}""");

        Assert.Equal(HttpStatusCode.OK, second.StatusCode);
        var turn = gateway.Cluster.Turns.Last();
        Assert.Equal((after, " upon"), (turn.KeepTokens, DemoModel.Tokenizer.Decode(turn.Tokens.AsSpan())));
    }

    private static async IAsyncEnumerable<string> After(Task gate)
    {
        await gate;
        yield return "done";
    }

    private static string? Loire(JsonElement answer, string member) => answer.GetProperty("loire").GetProperty(member).GetString();
}
