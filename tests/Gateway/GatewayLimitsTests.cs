using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json;
using Loire.Contracts;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Options;

namespace Loire.Gateway.Tests;

/// <summary>Who is let in, how many at once, and what the failures of the cluster look like outside.</summary>
public sealed class GatewayLimitsTests
{
    [Fact]
    public async Task One_turn_too_many_is_a_503_that_says_when_to_come_back()
    {
        await using var gateway = await TestGateway.StartAsync(new GatewayOptions { MaxConcurrentTurns = 2 });
        var gate = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        gateway.Cluster.Script = (_, _) => After(gate.Task);
        var body = new { stream = true, messages = new[] { new { role = "user", content = "Hi" } } };
        await using var first = await SseReader.OpenAsync(gateway, body);
        await using var second = await SseReader.OpenAsync(gateway, body);

        var error = await gateway.RefusedChatAsync(body);
        gate.SetResult();
        await first.TextAsync();
        await second.TextAsync();

        Assert.Equal((503, "no_capacity", TimeSpan.FromSeconds(1)), (error.Status, error.Code, error.RetryAfter));
        using var later = await gateway.ChatAsync(TestGateway.Says("Hi"));
        Assert.Equal(HttpStatusCode.OK, later.StatusCode);
    }

    [Fact]
    public async Task Keys_are_asked_for_and_each_owns_its_sessions()
    {
        const string One = "key-number-one", Two = "key-number-two";
        await using var gateway = await TestGateway.StartAsync(new GatewayOptions { ApiKeys = [One, Two] });

        using var none = await SendAsync(gateway, null);
        using var wrong = await SendAsync(gateway, "key-number-onf");
        using var one = await SendAsync(gateway, One);
        using var two = await SendAsync(gateway, Two);
        using var listed = await gateway.Http.SendAsync(Authorized(HttpMethod.Get, "/v1/sessions", Two));
        using var live = await gateway.Http.GetAsync("/health/live");
        using var page = await gateway.Http.GetAsync("/");

        Assert.Equal((401, "invalid_api_key"), await StatusAndCodeAsync(none));
        Assert.Equal((401, "invalid_api_key"), await StatusAndCodeAsync(wrong));
        Assert.Equal("Bearer", none.Headers.WwwAuthenticate.Single().Scheme);
        Assert.All([one, two, listed, live, page], response => Assert.Equal(HttpStatusCode.OK, response.StatusCode));
        var sessions = JsonElement.Parse(await listed.Content.ReadAsStringAsync()).GetProperty("data");
        Assert.Equal(1, Assert.Single(sessions.EnumerateArray()).GetProperty("turn_count").GetInt32());
        Assert.False(gateway.Cluster.Session("shared-name").Exists);
    }

    [Fact]
    public async Task A_request_under_a_foreign_host_name_is_refused()
    {
        await using var gateway = await TestGateway.StartAsync(new GatewayOptions { AllowedHosts = ["127.0.0.1", "localhost", "*.example.org"] });

        using var own = await AsAsync(null);
        using var allowed = await AsAsync("chat.example.org");
        using var foreign = await AsAsync("attacker.example.com");

        Assert.Equal([HttpStatusCode.OK, HttpStatusCode.OK], [own.StatusCode, allowed.StatusCode]);
        Assert.Equal((421, "wrong_host"), await StatusAndCodeAsync(foreign));

        Task<HttpResponseMessage> AsAsync(string? host)
        {
            var request = new HttpRequestMessage(HttpMethod.Get, "/v1/models");
            request.Headers.Host = host;
            return gateway.Http.SendAsync(request);
        }
    }

    [Theory]
    [InlineData(FailureCode.InvalidRequest, 400, "invalid_request")]
    [InlineData(FailureCode.SessionBusy, 409, "session_busy")]
    [InlineData(FailureCode.NoCapacity, 503, "no_capacity")]
    [InlineData(FailureCode.ReplicaLost, 503, "replica_lost")]
    [InlineData(FailureCode.Internal, 500, "internal")]
    [InlineData(FailureCode.NotFound, 404, "not_found")]
    [InlineData(FailureCode.AlreadyExists, 409, "already_exists")]
    [InlineData(FailureCode.HeadMoved, 409, "head_moved")]
    [InlineData(FailureCode.ContextTooLong, 413, "context_length_exceeded")]
    [InlineData(FailureCode.StoreUnavailable, 503, "store_unavailable")]
    [InlineData(FailureCode.StaleEpoch, 409, "stale_epoch")]
    public async Task Every_failure_of_the_cluster_has_its_status(FailureCode code, int status, string name)
    {
        await using var gateway = await TestGateway.StartAsync();
        gateway.Cluster.Session("s").BeforeTurn = _ => throw new ClusterException(code, "What happened.", "field");

        var error = await gateway.RefusedChatAsync(TestGateway.Says("Hi", session: "s"));

        Assert.Equal((status, name), (error.Status, error.Code));
        Assert.Equal(code != FailureCode.Internal, error.Message == "What happened.");
    }

    [Fact]
    public void Every_code_is_mapped()
    {
        Assert.All(Enum.GetValues<FailureCode>(), code => Assert.Equal(code == FailureCode.Internal, HttpFailure.Of(new ClusterException(code, "x")).Status == 500));
    }

    [Fact]
    public async Task A_full_disk_is_a_507_and_a_defect_tells_no_details()
    {
        await using var gateway = await TestGateway.StartAsync();
        gateway.Cluster.Session("full").BeforeTurn = static _ => throw new ClusterException(FailureCode.StoreUnavailable, "The disk is full.", inner: new IOException("No space left on device", 28));
        gateway.Cluster.Session("broken").BeforeTurn = static _ => throw new InvalidOperationException("secret");

        var full = await gateway.RefusedChatAsync(TestGateway.Says("Hi", session: "full"));
        var broken = await gateway.RefusedChatAsync(TestGateway.Says("Hi", session: "broken"));

        Assert.Equal(507, full.Status);
        Assert.Equal((500, "server_error"), (broken.Status, broken.Type));
        Assert.DoesNotContain("secret", broken.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Readiness_is_the_clusters_and_says_why_not()
    {
        await using var gateway = await TestGateway.StartAsync(new GatewayOptions { ReadinessTimeout = TimeSpan.FromSeconds(0.1) });

        using var ready = await gateway.Http.GetAsync("/health/ready");
        gateway.Cluster.View = static () => Task.FromResult(new ClusterView(false, "The model is loading.", [], []));
        using var loading = await gateway.Http.GetAsync("/health/ready");
        gateway.Cluster.View = static () => new TaskCompletionSource<ClusterView>().Task;
        using var silent = await gateway.Http.GetAsync("/health/ready");
        gateway.Cluster.View = static () => throw new InvalidOperationException("secret");
        using var broken = await gateway.Http.GetAsync("/health/ready");

        Assert.Equal([200, 503, 503, 503], new[] { ready, loading, silent, broken }.Select(response => (int)response.StatusCode));
        Assert.Contains("The model is loading.", await loading.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        Assert.Contains("0.1 s", await silent.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        Assert.DoesNotContain("secret", await broken.Content.ReadAsStringAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Models_are_listed_and_a_new_one_is_seen_at_once_when_it_is_named()
    {
        await using var gateway = await TestGateway.StartAsync(new GatewayOptions { ModelListAge = TimeSpan.FromHours(1) });

        var before = JsonElement.Parse(await gateway.Http.GetStringAsync("/v1/models"));
        gateway.Cluster.Models = [DemoModel.View(), DemoModel.View() with { Id = "org/second", Digest = "sha256:second" }];
        var second = JsonElement.Parse(await gateway.Http.GetStringAsync("/v1/models/org/second"));

        Assert.Equal("list", before.GetProperty("object").GetString());
        Assert.Equal((DemoModel.Id, "model"), (Assert.Single(before.GetProperty("data").EnumerateArray()).GetProperty("id").GetString(), second.GetProperty("object").GetString()));
    }

    [Fact]
    public async Task Without_a_model_turns_are_refused_for_now()
    {
        await using var gateway = await TestGateway.StartAsync();
        gateway.Cluster.Models = [];

        var error = await gateway.RefusedChatAsync(TestGateway.Says("Hi"));

        Assert.Equal((503, "no_capacity"), (error.Status, error.Code));
    }

    [Fact]
    public void A_wrong_option_names_itself()
    {
        var builder = WebApplication.CreateSlimBuilder();

        var low = Assert.Throws<OptionsValidationException>(() => builder.AddLoireGateway(new GatewayOptions { MaxConcurrentTurns = 0 }));
        var key = Assert.Throws<OptionsValidationException>(() => builder.AddLoireGateway(new GatewayOptions { ApiKeys = ["short"] }));

        Assert.Contains("MaxConcurrentTurns", low.Message, StringComparison.Ordinal);
        Assert.Contains("ApiKeys", key.Message, StringComparison.Ordinal);
    }

    private static async IAsyncEnumerable<string> After(Task gate)
    {
        await gate;
        yield return "done";
    }

    private static Task<HttpResponseMessage> SendAsync(TestGateway gateway, string? key)
    {
        var request = Authorized(HttpMethod.Post, "/v1/chat/completions", key);
        request.Content = JsonContent.Create(TestGateway.Says("Hi", session: "shared-name"));
        return gateway.Http.SendAsync(request);
    }

    private static HttpRequestMessage Authorized(HttpMethod method, string path, string? key)
    {
        var request = new HttpRequestMessage(method, path);
        request.Headers.Authorization = key is null ? null : new AuthenticationHeaderValue("Bearer", key);
        return request;
    }

    private static async Task<(int, string?)> StatusAndCodeAsync(HttpResponseMessage response)
    {
        var error = await ApiError.ReadAsync(response);
        return (error.Status, error.Code);
    }
}
