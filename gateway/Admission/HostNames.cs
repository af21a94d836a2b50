using Microsoft.Extensions.Primitives;

namespace Loire.Gateway;

/// <summary>By which names the gateway may be called, where it minds.</summary>
/// <remarks>
/// A page of any site can make a browser call an address of this machine under the site's own name, and then read the answer.
/// It cannot choose the name that the browser sends.
/// </remarks>
internal sealed class HostNames(GatewayOptions options)
{
    private readonly StringSegment[] _allowed = [.. options.AllowedHosts.Select(static name => new StringSegment(name))];

    /// <exception cref="RefusedException">The request is for another host.</exception>
    public Task CheckAsync(HttpContext http, RequestDelegate next)
    {
        var host = http.Request.Host.Host;
        return _allowed.Length == 0 || HostString.MatchesAny(host, _allowed)
            ? next(http)
            : throw new RefusedException(
                StatusCodes.Status421MisdirectedRequest, "wrong_host",
                $"This server is not called '{BodyObject.Shorten(host)}'. Call it {string.Join(" or ", options.AllowedHosts)}, or have the name allowed where it is started.");
    }
}
