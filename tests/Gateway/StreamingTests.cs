using System.Net;
using System.Net.Http.Json;
using System.Runtime.CompilerServices;
using Loire.Contracts;

namespace Loire.Gateway.Tests;

/// <summary>Server-sent events: their framing, their end, and what happens when either side breaks off.</summary>
public sealed class StreamingTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    [Fact]
    public async Task A_stream_begins_with_the_role_and_ends_with_the_reason()
    {
        await using var gateway = await TestGateway.StartAsync();
        await using var stream = await SseReader.OpenAsync(gateway, Streamed(session: "s"));

        var events = await stream.RestAsync();

        Assert.Equal("s", Assert.Single(stream.Response.Headers.GetValues("x-session-id")));
        Assert.All(events, item => Assert.Equal("chat.completion.chunk", item.GetProperty("object").GetString()));
        Assert.Single(events.Select(item => item.GetProperty("id").GetString()).Distinct());
        Assert.Equal("assistant", events[0].GetProperty("choices")[0].GetProperty("delta").GetProperty("role").GetString());
        Assert.Equal("Hello there.", SseReader.TextOf(events));
        Assert.Equal("stop", events[^1].GetProperty("choices")[0].GetProperty("finish_reason").GetString());
        Assert.Equal("record-s-1", events[^1].GetProperty("loire").GetProperty("head").GetString());
        Assert.All(events, item => Assert.False(item.TryGetProperty("usage", out _)));
    }

    [Fact]
    public async Task Usage_comes_in_a_last_chunk_without_choices_when_it_is_asked_for()
    {
        await using var gateway = await TestGateway.StartAsync();
        await using var stream = await SseReader.OpenAsync(gateway, Streamed(includeUsage: true));

        var events = await stream.RestAsync();

        Assert.Equal(0, events[^1].GetProperty("choices").GetArrayLength());
        Assert.True(events[^1].GetProperty("usage").GetProperty("prompt_tokens").GetInt32() > 0);
        Assert.True(events[^1].TryGetProperty("loire", out _));
        Assert.All(events[..^1], item => Assert.Equal(System.Text.Json.JsonValueKind.Null, item.GetProperty("usage").ValueKind));
    }

    [Fact]
    public async Task Each_event_is_one_line_of_data_and_an_empty_line()
    {
        await using var gateway = await TestGateway.StartAsync();
        gateway.Cluster.Script = static (_, _) => FakeCluster.Pieces("two\n\nlines\r", "\u2028 \"quoted\" \\ \u0007 ", "né 🚣 data: ");
        using var response = await gateway.Http.PostAsJsonAsync("/v1/chat/completions", Streamed());

        var text = await response.Content.ReadAsStringAsync();

        Assert.EndsWith("\n\ndata: [DONE]\n\n", text, StringComparison.Ordinal);
        var lines = text.Split('\n')[..^1];
        Assert.All(lines.Where((_, index) => index % 2 == 0), line => Assert.StartsWith("data: ", line, StringComparison.Ordinal));
        Assert.All(lines.Where((_, index) => index % 2 == 1), line => Assert.Equal("", line));
        await using var stream = await SseReader.OpenAsync(gateway, Streamed());
        Assert.Equal("two\n\nlines\r\u2028 \"quoted\" \\ \u0007 né 🚣 data: ", await stream.TextAsync());
    }

    [Fact]
    public async Task A_token_is_sent_before_the_next_one_is_there()
    {
        await using var gateway = await TestGateway.StartAsync();
        var gate = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        gateway.Cluster.Script = (_, _) => Gated(gate.Task);
        await using var stream = await SseReader.OpenAsync(gateway, Streamed());

        var opening = await stream.NextAsync().WaitAsync(Patience);
        var first = await stream.NextAsync().WaitAsync(Patience);
        gate.SetResult();

        Assert.Contains("assistant", opening, StringComparison.Ordinal);
        Assert.Contains("first", first, StringComparison.Ordinal);
        Assert.Equal(" second", await stream.TextAsync());
    }

    [Fact]
    public async Task A_client_that_disconnects_cancels_the_turn()
    {
        await using var gateway = await TestGateway.StartAsync();
        gateway.Cluster.Script = static (_, cancellationToken) => Endless(cancellationToken);
        var stream = await SseReader.OpenAsync(gateway, Streamed(session: "s"));
        await stream.NextAsync();
        await stream.NextAsync();

        await stream.DisposeAsync();

        Assert.True(await gateway.Cluster.Session("s").Ended.Task.WaitAsync(Patience));
    }

    [Fact]
    public async Task A_client_that_disconnects_from_an_answer_in_one_piece_cancels_the_turn_too()
    {
        await using var gateway = await TestGateway.StartAsync();
        var started = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        gateway.Cluster.Script = (_, cancellationToken) => Endless(cancellationToken, started);
        using var leaving = new CancellationTokenSource();
        var request = gateway.Http.PostAsJsonAsync("/v1/chat/completions", TestGateway.Says("Hi", session: "s"), leaving.Token);
        await started.Task.WaitAsync(Patience);
        var ended = gateway.Cluster.Session("s").Ended.Task;

        await leaving.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => request);
        Assert.True(await ended.WaitAsync(Patience));
    }

    [Fact]
    public async Task A_reader_that_does_not_read_holds_the_model_back()
    {
        await using var gateway = await TestGateway.StartAsync();
        var produced = 0L;
        gateway.Cluster.Script = (_, cancellationToken) => Flood(() => Interlocked.Add(ref produced, 1024), cancellationToken);
        await using var stream = await SseReader.OpenAsync(gateway, Streamed(session: "s"));

        // The flood must come to a standstill: sockets and buffers hold a few MiB, the script could make 1 GiB.
        long before;
        do
        {
            before = Interlocked.Read(ref produced);
            await Task.Delay(TimeSpan.FromMilliseconds(300));
        }
        while (Interlocked.Read(ref produced) != before);

        Assert.InRange(before, 1024, 64 << 20);
    }

    [Fact]
    public async Task A_failure_before_the_first_token_has_its_status_and_one_after_it_is_an_event()
    {
        await using var gateway = await TestGateway.StartAsync();
        gateway.Cluster.Script = static (_, _) => Breaking(new ClusterException(FailureCode.ReplicaLost, "The replica died."));
        gateway.Cluster.Session("full").BeforeTurn = static _ => throw new ClusterException(FailureCode.NoCapacity, "No slot is free.", retryAfter: TimeSpan.FromSeconds(2.2));

        var before = await gateway.RefusedChatAsync(Streamed(session: "full"));
        await using var stream = await SseReader.OpenAsync(gateway, Streamed(session: "s"));
        var events = await stream.RestAsync();

        Assert.Equal((503, "no_capacity", TimeSpan.FromSeconds(3)), (before.Status, before.Code, before.RetryAfter));
        var after = ApiError.Of(200, events[^1]);
        Assert.Equal(("replica_lost", "The replica died."), (after.Code, after.Message));
        Assert.Equal("so far", SseReader.TextOf(events[..^1]));
    }

    [Fact]
    public async Task A_defect_while_streaming_tells_no_details()
    {
        await using var gateway = await TestGateway.StartAsync();
        gateway.Cluster.Script = static (_, _) => Breaking(new InvalidOperationException("secret path /etc/loire"));
        await using var stream = await SseReader.OpenAsync(gateway, Streamed());

        var error = ApiError.Of(200, (await stream.RestAsync())[^1]);

        Assert.Equal("internal", error.Code);
        Assert.DoesNotContain("secret", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_completion_streams_text()
    {
        await using var gateway = await TestGateway.StartAsync();
        await using var stream = await SseReader.OpenAsync(gateway, new { prompt = "Once", stream = true, stream_options = new { include_usage = true } }, "/v1/completions");

        var events = await stream.RestAsync();

        Assert.Equal("Hello there.", string.Concat(events.SkipLast(1).Select(item => item.GetProperty("choices")[0].GetProperty("text").GetString())));
        Assert.Equal("stop", events[^2].GetProperty("choices")[0].GetProperty("finish_reason").GetString());
        Assert.Equal(HttpStatusCode.OK, stream.Response.StatusCode);
    }

    private static object Streamed(string? session = null, bool includeUsage = false) => new
    {
        session_id = session,
        stream = true,
        stream_options = new { include_usage = includeUsage },
        messages = new[] { new { role = "user", content = "Hi" } },
    };

    private static async IAsyncEnumerable<string> Gated(Task gate)
    {
        yield return "first";
        await gate;
        yield return " second";
    }

    private static async IAsyncEnumerable<string> Endless([EnumeratorCancellation] CancellationToken cancellationToken, TaskCompletionSource? started = null)
    {
        yield return "on";
        started?.TrySetResult();
        await Task.Delay(Timeout.Infinite, cancellationToken);
    }

    private static async IAsyncEnumerable<string> Flood(Action produced, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        for (var piece = 0; piece < 1 << 20; piece++)
        {
            await Task.Yield();
            cancellationToken.ThrowIfCancellationRequested();
            produced();
            yield return new string(' ', 1024);
        }
    }

    private static async IAsyncEnumerable<string> Breaking(Exception failure)
    {
        yield return "so far";
        await Task.Yield();
        throw failure;
    }
}
