using System.Net;
using System.Text.RegularExpressions;

namespace Loire.Gateway.Tests;

/// <summary>The page's files: served from the assembly, under a policy that lets nothing else in.</summary>
public sealed partial class PageFileTests
{
    [Fact]
    public async Task The_page_and_everything_it_names_is_served_under_its_policy()
    {
        await using var gateway = await TestGateway.StartAsync();
        var html = await gateway.Http.GetStringAsync("/");
        var named = Reference().Matches(html).Select(match => match.Groups[1].Value).Append("/").Distinct().ToArray();

        Assert.True(named.Length >= 4, string.Join(' ', named));
        foreach (var path in named)
        {
            using var response = await gateway.Http.GetAsync(path);
            Assert.Equal(HttpStatusCode.OK, response.StatusCode);
            var policy = Assert.Single(response.Headers.GetValues("content-security-policy"));
            Assert.Contains("default-src 'none'", policy, StringComparison.Ordinal);
            Assert.DoesNotContain("unsafe", policy, StringComparison.Ordinal);
            Assert.Equal("nosniff", Assert.Single(response.Headers.GetValues("x-content-type-options")));
        }
    }

    [Fact]
    public async Task Nothing_is_inline_and_nothing_comes_from_elsewhere()
    {
        await using var gateway = await TestGateway.StartAsync();
        var html = await gateway.Http.GetStringAsync("/");

        Assert.DoesNotMatch(@"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son[a-z]+=|https?://", html);
        foreach (var script in new[] { "main", "api", "dom", "format", "sessions", "transcript" })
        {
            Assert.DoesNotMatch(@"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", await gateway.Http.GetStringAsync($"/page/{script}.js"));
        }
    }

    [Fact]
    public async Task The_page_can_be_switched_off()
    {
        await using var gateway = await TestGateway.StartAsync(new GatewayOptions { ServePage = false });

        using var response = await gateway.Http.GetAsync("/");

        Assert.Equal(HttpStatusCode.NotFound, response.StatusCode);
    }

    [GeneratedRegex("""(?:src|href)="(/[^"]+)""")]
    private static partial Regex Reference();
}
