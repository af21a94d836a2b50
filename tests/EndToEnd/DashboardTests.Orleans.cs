using System.Net;
using System.Net.Http.Headers;
using Loire.Cli.Serve;
using Loire.EndToEnd.Tests.Running;

namespace Loire.EndToEnd.Tests;

/// <summary>The dashboard of Microsoft Orleans is served beside the API.</summary>
public sealed class DashboardTests
{
    private const string Key = "client-key-1";

    [Fact]
    public async Task The_dashboard_shows_the_silo_and_its_grains()
    {
        using var data = new TemporaryFolder();
        await using var server = await ServerProcess.StartAsync(data.Path, Demo.Model, Deadline.Token());
        using var http = new HttpClient { BaseAddress = server.Address };

        var page = await http.GetStringAsync("orleans/", Deadline.Token());
        await Deadline.UntilAsync("the dashboard counts the replica's grain", async () =>
        {
            var counters = await http.GetStringAsync("orleans/DashboardCounters", Deadline.Token());
            return (counters.Contains("ReplicaGrain", StringComparison.Ordinal), counters);
        });

        Assert.Contains("<html", page, StringComparison.OrdinalIgnoreCase);
    }

    [Fact]
    public async Task A_client_that_is_no_operator_sees_nothing_of_it()
    {
        using var data = new TemporaryFolder();
        await using var server = await ServerProcess.StartAsync(data.Path, Demo.Model, Deadline.Token(), "--api-key", Key);
        using var http = new HttpClient { BaseAddress = server.Address };

        using var nobody = await http.GetAsync("orleans/ClusterStats", Deadline.Token());
        http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", Key);
        using var client = await http.GetAsync("orleans/ClusterStats", Deadline.Token());

        Assert.Equal(HttpStatusCode.Unauthorized, nobody.StatusCode);
        Assert.Equal("Basic", Assert.Single(nobody.Headers.WwwAuthenticate).Scheme);
        Assert.Equal(HttpStatusCode.Unauthorized, client.StatusCode);
    }
}
