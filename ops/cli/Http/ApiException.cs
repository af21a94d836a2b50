using System.Net;

namespace Loire.Cli.Http;

/// <summary>The server refused: its own words, and the status.</summary>
internal sealed class ApiException(HttpStatusCode status, string message) : Exception(message)
{
    public HttpStatusCode Status { get; } = status;
}
