using System.Net;
using System.Net.Http.Json;
using System.Text;
using Loire.Cli.Cluster;
using Loire.Cluster.Tests.Running;

namespace Loire.Cluster.Tests;

/// <summary>Redis takes nothing that needs memory, in a cluster that runs.</summary>
public sealed class FullRedisTests
{
    private const int LongAnswer = 600;
    private const string Question = "Hello, who are you?";

    [RedisFact]
    public async Task Streams_run_to_their_last_token_their_commits_wait_and_new_turns_are_refused_until_there_is_room()
    {
        await using var cluster = await RunningCluster.StartAsync(silos: 2);
        var undisturbed = await cluster.SayAsync("calm", Question, LongAnswer, isLong: true);
        await cluster.SayAsync("known", "My sister is called Greta. She lives in Lima.", 64);
        using var redis = await LocalRedis.ConnectAsync(cluster.Processes);

        var (began, written) = (NewSignal(), NewSignal());
        var full = ReadAsync(cluster, began, written, undisturbed.Length);
        await began.Task;
        await redis.FillAsync();
        await written.Task;
        var refused = await AskAsync(cluster, "known");
        var isCommitted = full.IsCompleted;
        await redis.MakeRoomAsync();

        Assert.Equal(undisturbed, await full);
        Assert.False(isCommitted, "The turn ended while it could not be stored.");
        Assert.Equal(HttpStatusCode.ServiceUnavailable, refused.StatusCode);
        Assert.NotNull(refused.Headers.RetryAfter);
        Assert.Contains("full", await refused.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        Assert.Equal("Your sister Greta lives in Lima.", await cluster.SayAsync("known", "Where does my sister live?", 64));
        Assert.Equal("Your sister Greta lives in Lima.", await ForgottenThenKnownAsync(cluster));
    }

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>A session that did not exist while Redis was full: its grain can be registered again.</summary>
    private static async Task<string> ForgottenThenKnownAsync(RunningCluster cluster)
    {
        await cluster.SayAsync("new", "My sister is called Greta. She lives in Lima.", 64);
        return await cluster.SayAsync("new", "Where does my sister live?", 64);
    }

    private static async Task<string> ReadAsync(RunningCluster cluster, TaskCompletionSource began, TaskCompletionSource written, int length)
    {
        var text = new StringBuilder();
        await foreach (var piece in cluster.First.StreamAsync(RunningCluster.Request("full", Question, LongAnswer, isLong: true), CancellationToken.None))
        {
            began.TrySetResult();
            if (text.Append(piece.Text).Length >= length)
            {
                written.TrySetResult();
            }
        }

        return text.ToString();
    }

    private static async Task<HttpResponseMessage> AskAsync(RunningCluster cluster, string session)
    {
        using var http = new HttpClient { BaseAddress = cluster.Processes.Gateway };
        return await http.PostAsJsonAsync("v1/chat/completions", RunningCluster.Request(session, "Where does my sister live?", 64));
    }
}
