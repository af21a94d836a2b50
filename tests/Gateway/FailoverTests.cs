using System.Net;
using System.Text.Json;
using Loire.Contracts;
using Orleans.Runtime;

namespace Loire.Gateway.Tests;

/// <summary>A silo that is lost in the middle of an answer is a pause to the client, and nothing else.</summary>
public sealed class FailoverTests
{
    private static readonly GatewayOptions Patient = new() { ModelListAge = TimeSpan.Zero, FailoverTimeout = TimeSpan.FromMinutes(1) };

    public static TheoryData<Exception> Losses => new()
    {
        new SiloUnavailableException("The silo is gone."),
        new EnumerationAbortedException("The stream was ended."),
        new ClusterException(FailureCode.SessionMoved, "The session goes on elsewhere."),
        new ClusterException(FailureCode.StoreUnavailable, "Redis restarts.", retryAfter: TimeSpan.FromSeconds(1)),
    };

    [Theory]
    [MemberData(nameof(Losses))]
    public async Task A_stream_that_breaks_goes_on_after_the_tokens_that_were_delivered(Exception loss)
    {
        await using var gateway = await TestGateway.StartAsync(Patient);
        gateway.Cluster.Script = (request, _) => Told(request) switch
        {
            "" => Broken(loss, "Hello", " there"),
            "Hello there" => Broken(loss, ","),
            "Hello there," => FakeCluster.Pieces(" friend", "."),
            var told => throw new InvalidOperationException($"'{told}' was delivered."),
        };

        using var response = await gateway.ChatAsync(new { session_id = "s", stream = true, messages = new[] { new { role = "user", content = "Hi" } } });
        var text = string.Concat((await response.Content.ReadAsStringAsync()).Split('\n')
            .Where(line => line.StartsWith("data: {", StringComparison.Ordinal))
            .Select(line => JsonElement.Parse(line[6..]))
            .Select(chunk => chunk.GetProperty("choices")[0].GetProperty("delta").TryGetProperty("content", out var content) ? content.GetString() : ""));

        Assert.Equal("Hello there, friend.", text);
        Assert.Single(gateway.Cluster.Turns.Select(turn => turn.TurnId).Distinct());
        Assert.Single(gateway.Cluster.Turns.Select(turn => turn.Sampling.Seed).Distinct());
    }

    [Fact]
    public async Task A_whole_answer_is_whole_too()
    {
        await using var gateway = await TestGateway.StartAsync(Patient);
        gateway.Cluster.Script = (request, _) => request.Delivered.IsEmpty
            ? Broken(new SiloUnavailableException("The silo is gone."), "Hello")
            : FakeCluster.Pieces(" there.");

        var answer = await gateway.AnswerAsync(TestGateway.Says("Hi", session: "s"));

        Assert.Equal("Hello there.", answer.GetProperty("choices")[0].GetProperty("message").GetProperty("content").GetString());
    }

    [Fact]
    public async Task A_turn_that_has_not_begun_is_asked_for_again()
    {
        await using var gateway = await TestGateway.StartAsync(Patient);
        var losses = 3;
        gateway.Cluster.Session("s").BeforeTurn = _ =>
        {
            if (losses-- > 0)
            {
                throw new SiloUnavailableException("The silo is gone.");
            }
        };

        using var response = await gateway.ChatAsync(TestGateway.Says("Hi", session: "s"));

        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.Equal(1, gateway.Cluster.Session("s").View.Turns);
    }

    [Fact]
    public async Task A_cluster_that_does_not_recover_in_time_is_a_503_with_a_time_to_retry()
    {
        await using var gateway = await TestGateway.StartAsync();
        gateway.Cluster.Session("s").BeforeTurn = static _ => throw new SiloUnavailableException("The silo is gone.");

        var error = await gateway.RefusedChatAsync(TestGateway.Says("Hi", session: "s"));

        Assert.Equal((503, "cluster_unavailable"), (error.Status, error.Code));
        Assert.NotNull(error.RetryAfter);
    }

    [Fact]
    public async Task What_does_not_pass_by_itself_is_not_tried_again()
    {
        await using var gateway = await TestGateway.StartAsync(Patient);
        gateway.Cluster.Script = (_, _) => Broken(new ClusterException(FailureCode.Internal, "A defect."), "Hello");

        using var response = await gateway.ChatAsync(TestGateway.Says("Hi", session: "s"));

        Assert.Equal(HttpStatusCode.InternalServerError, response.StatusCode);
        Assert.Single(gateway.Cluster.Turns);
    }

    private static string Told(TurnRequest request) => DemoModel.Tokenizer.Decode(request.Delivered.AsSpan());

    private static async IAsyncEnumerable<string> Broken(Exception loss, params string[] pieces)
    {
        await foreach (var piece in FakeCluster.Pieces(pieces))
        {
            yield return piece;
        }

        throw loss;
    }
}
