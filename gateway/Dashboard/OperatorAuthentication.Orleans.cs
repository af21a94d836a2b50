using System.Net.Http.Headers;
using System.Security.Claims;
using System.Text;
using System.Text.Encodings.Web;
using Microsoft.AspNetCore.Authentication;
using Microsoft.Extensions.Options;

namespace Loire.Gateway;

/// <summary>Lets an operator's key in, as <c>Bearer</c> or, for browsers, as the password of <c>Basic</c>. Without keys, everybody is an operator.</summary>
internal sealed class OperatorAuthentication(
    ApiKeys keys, GatewayOptions gateway, IOptionsMonitor<AuthenticationSchemeOptions> options, ILoggerFactory logger, UrlEncoder encoder)
    : AuthenticationHandler<AuthenticationSchemeOptions>(options, logger, encoder)
{
    public new const string Scheme = "Operator";

    protected override Task<AuthenticateResult> HandleAuthenticateAsync()
    {
        var owner = keys.OwnerOf(AsBearer(Request.Headers.Authorization.ToString()));
        if (owner is null)
        {
            return Task.FromResult(AuthenticateResult.NoResult());
        }

        var isOperator = !keys.AreNeeded || gateway.OperatorKeys.Any(key => owner == ApiKeys.OwnerOfKey(key));
        return Task.FromResult(isOperator
            ? AuthenticateResult.Success(new AuthenticationTicket(new ClaimsPrincipal(new ClaimsIdentity([new Claim(ClaimTypes.Name, owner)], Scheme)), Scheme))
            : AuthenticateResult.Fail("This needs the key of an operator."));
    }

    /// <summary>A browser asks its user for the key.</summary>
    protected override Task HandleChallengeAsync(AuthenticationProperties properties)
    {
        Response.StatusCode = StatusCodes.Status401Unauthorized;
        Response.Headers.WWWAuthenticate = "Basic realm=\"operator key as password\", charset=\"UTF-8\"";
        return Task.CompletedTask;
    }

    private static string AsBearer(string authorization)
    {
        if (!AuthenticationHeaderValue.TryParse(authorization, out var header) || !header.Scheme.Equals("Basic", StringComparison.OrdinalIgnoreCase) || header.Parameter is null)
        {
            return authorization;
        }

        Span<byte> bytes = new byte[header.Parameter.Length];
        var text = Convert.TryFromBase64String(header.Parameter, bytes, out var length) ? Encoding.UTF8.GetString(bytes[..length]) : "";
        return $"Bearer {text[(text.IndexOf(':', StringComparison.Ordinal) + 1)..]}";
    }
}
