using System.Net;
using System.Text.RegularExpressions;

namespace Loire.Gateway.Tests;

public sealed class MetricsTests
{
    [Fact]
    public async Task Metrics_need_no_key_and_count_what_clients_were_refused()
    {
        await using var gateway = await TestGateway.StartAsync(new GatewayOptions { ApiKeys = ["key-of-a-client"] });
        using var refused = await gateway.ChatAsync(TestGateway.Says("hello"));
        using var answer = await gateway.Http.GetAsync("/metrics");
        var text = await answer.Content.ReadAsStringAsync();

        Assert.Equal(HttpStatusCode.Unauthorized, refused.StatusCode);
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.Equal("text/plain; version=0.0.4; charset=utf-8", answer.Content.Headers.ContentType?.ToString());
        Assert.Matches("(?m)^loire_gateway_failures_total\\{code=\"invalid_api_key\"\\} [1-9]", text); // other gateways of this process count here too
        Assert.Matches("(?m)^loire_gateway_turns [0-9]+$", text);
        Assert.DoesNotMatch(new Regex("key-of-a-client"), text);
    }
}
