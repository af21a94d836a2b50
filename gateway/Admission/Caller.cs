using Loire.Contracts;

namespace Loire.Gateway;

/// <summary>Who sent a request: set by <see cref="CallerFilter"/>, read by the endpoints behind it.</summary>
internal static class Caller
{
    private static readonly object OwnerItem = new();

    public static string OwnerOf(HttpContext http) => (string)http.Items[OwnerItem]!; // every endpoint under /v1 is behind the filter

    public static void SetOwner(HttpContext http, string owner) => http.Items[OwnerItem] = owner;

    public static SessionKey SessionOf(HttpContext http, string id) => new(OwnerOf(http), TurnFieldsParser.CheckedSessionId(id, "session_id"));

    public static string? IdempotencyKeyOf(HttpContext http) => http.Request.Headers["idempotency-key"] is [{ Length: > 0 } key] ? key : null;
}

/// <summary>Lets in who has a key, where keys are needed.</summary>
internal sealed class CallerFilter(ApiKeys keys) : IEndpointFilter
{
    public ValueTask<object?> InvokeAsync(EndpointFilterInvocationContext context, EndpointFilterDelegate next)
    {
        var http = context.HttpContext;
        var authorization = http.Request.Headers.Authorization.ToString();
        Caller.SetOwner(http, keys.OwnerOf(authorization) ?? throw new RefusedException(
            StatusCodes.Status401Unauthorized,
            "invalid_api_key",
            authorization.Length == 0 ? "This gateway needs an API key: send the header authorization: Bearer <key>." : "The API key is not one of this gateway's."));
        return next(context);
    }
}
