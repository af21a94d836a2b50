namespace Loire.Gateway;

/// <summary>The outermost layer of the API: exceptions, and answers without a body such as 404 and 405, leave in OpenAI's shape.</summary>
internal sealed partial class FailureMiddleware(GatewayMetrics metrics, ILogger<FailureMiddleware> logger) : IMiddleware
{
    public async Task InvokeAsync(HttpContext context, RequestDelegate next)
    {
        try
        {
            await next(context);
        }
        catch (Exception) when (context.RequestAborted.IsCancellationRequested)
        {
            LogDisconnected(context.Request.Method, context.Request.Path);
            return;
        }
        catch (Exception exception) when (!context.Response.HasStarted)
        {
            var failure = HttpFailure.Of(exception);
            Log(context, failure, exception);
            await FailureBody.WriteAsync(context, failure);
            return;
        }

        if (!context.Response.HasStarted && context.Response.StatusCode is 404 or 405 && IsApi(context.Request.Path))
        {
            await FailureBody.WriteAsync(context, Unrouted(context));
        }
    }

    /// <summary>One line for each failure; the exception itself only where it is ours to look into.</summary>
    public void Log(HttpContext context, in HttpFailure failure, Exception exception)
    {
        metrics.Failed(failure.Code);
        if (failure.Status == 500)
        {
            LogDefect(context.Request.Method, context.Request.Path, exception);
        }
        else
        {
            LogRefused(context.Request.Method, context.Request.Path, failure.Status, failure.Code, failure.Message);
        }
    }

    private static bool IsApi(PathString path) => path.StartsWithSegments("/v1") || path.StartsWithSegments("/health");

    private static HttpFailure Unrouted(HttpContext context) => context.Response.StatusCode == 405
        ? new(405, "invalid_request_error", "method_not_allowed", $"{context.Request.Path} cannot be asked with {context.Request.Method}.")
        : new(404, "invalid_request_error", "unknown_url", $"There is nothing at {context.Request.Method} {context.Request.Path}.");

    [LoggerMessage(LogLevel.Error, "{Method} {Path} failed")]
    private partial void LogDefect(string method, string path, Exception exception);

    [LoggerMessage(LogLevel.Information, "{Method} {Path} refused with {Status} {Code}: {Reason}")]
    private partial void LogRefused(string method, string path, int status, string code, string reason);

    [LoggerMessage(LogLevel.Debug, "{Method} {Path}: the client went away")]
    private partial void LogDisconnected(string method, string path);
}
