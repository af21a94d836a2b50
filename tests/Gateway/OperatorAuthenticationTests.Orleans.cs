using System.Text;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace Loire.Gateway.Tests;

/// <summary>Who sees the dashboard: operators, by header or by a browser's question for a password, and nobody else.</summary>
public sealed class OperatorAuthenticationTests
{
    private const string Operator = "operator-key-1";
    private const string Client = "client-key-1";

    [Theory]
    [InlineData("Bearer " + Operator, true)]
    [InlineData("Bearer " + Client, false)]
    [InlineData("Bearer unknown-key", false)]
    [InlineData("", false)]
    [InlineData("Basic", false)]
    [InlineData("Basic not-base64!", false)]
    [InlineData("Basic", false, "anybody:" + Operator)]
    [InlineData("Basic ", true, "anybody:" + Operator)]
    [InlineData("Basic ", true, ":" + Operator)]
    [InlineData("Basic ", true, Operator)]
    [InlineData("Basic ", false, "anybody:" + Client)]
    [InlineData("Basic ", false, Operator + ":")]
    public async Task Only_the_key_of_an_operator_is_let_in(string authorization, bool isLetIn, string? password = null)
    {
        var header = password is null ? authorization : authorization + Convert.ToBase64String(Encoding.UTF8.GetBytes(password));

        Assert.Equal(isLetIn, await IsLetInAsync(new GatewayOptions { ApiKeys = [Client, Operator], OperatorKeys = [Operator] }, header));
    }

    [Fact]
    public async Task Without_keys_everybody_is_an_operator() => Assert.True(await IsLetInAsync(new GatewayOptions(), ""));

    private static async Task<bool> IsLetInAsync(GatewayOptions options, string authorization)
    {
        var services = new ServiceCollection().AddLogging().AddSingleton(TimeProvider.System).AddSingleton(options).AddSingleton<ApiKeys>();
        RuntimeDashboard.AddTo(services);
        await using var provider = services.BuildServiceProvider();
        var http = new DefaultHttpContext { RequestServices = provider };
        http.Request.Headers.Authorization = authorization;
        return (await http.AuthenticateAsync()).Succeeded;
    }
}
