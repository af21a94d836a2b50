using Loire.Contracts;
using Orleans.Runtime;

namespace Loire.Gateway;

/// <summary>A failure as HTTP clients see it, in OpenAI's vocabulary.</summary>
/// <param name="Status">HTTP status; unused once a stream has begun.</param>
/// <param name="Type">OpenAI's error type.</param>
/// <param name="Code">Stable name that programs act on.</param>
/// <param name="Message">What people act on.</param>
/// <param name="Field">The field at fault, if one is.</param>
/// <param name="RetryAfter">When a retry may succeed.</param>
internal readonly record struct HttpFailure(int Status, string Type, string Code, string Message, string? Field = null, TimeSpan? RetryAfter = null)
{
    private const string Invalid = "invalid_request_error";
    private const string Server = "server_error";

    private static readonly TimeSpan Soon = TimeSpan.FromSeconds(1);

    /// <summary>Every exception becomes an answer here, and nowhere else. What is not ours to explain is a 500 without its details.</summary>
    public static HttpFailure Of(Exception exception) => exception switch
    {
        ClusterException failure => Of(failure),
        RefusedException refused => new(refused.Status, refused.Status == 401 ? "authentication_error" : Invalid, refused.Code, refused.Message, refused.Field),
        OrleansException or EnumerationAbortedException or TimeoutException =>
            new(503, Server, "cluster_unavailable", "The silo that was asked is lost or does not answer. Retry in a moment.", RetryAfter: Soon),
        BadHttpRequestException bad => new(bad.StatusCode, Invalid, "bad_request", bad.Message),
        _ => new(500, Server, "internal", "The request failed inside the server. The log of the gateway has the cause."),
    };

    private static HttpFailure Of(ClusterException failure) => failure.Code switch
    {
        FailureCode.InvalidRequest => new(400, Invalid, "invalid_request", failure.Message, failure.Field),
        FailureCode.NotFound => new(404, Invalid, failure.Field == "model" ? "model_not_found" : "not_found", failure.Message, failure.Field),
        FailureCode.ContextTooLong => new(413, Invalid, "context_length_exceeded", failure.Message, failure.Field),
        FailureCode.SessionBusy => new(409, Invalid, "session_busy", failure.Message, failure.Field ?? "session_id", failure.RetryAfter ?? Soon),
        FailureCode.HeadMoved => new(409, Invalid, "head_moved", failure.Message, failure.Field, failure.RetryAfter ?? Soon),
        FailureCode.StaleEpoch => new(409, Invalid, "stale_epoch", failure.Message, failure.Field, failure.RetryAfter ?? Soon),
        FailureCode.AlreadyExists => new(409, Invalid, "already_exists", failure.Message, failure.Field),
        FailureCode.SessionMoved => new(503, Server, "session_moved", failure.Message, failure.Field, failure.RetryAfter ?? Soon),
        FailureCode.NoCapacity => new(503, Server, "no_capacity", failure.Message, failure.Field, failure.RetryAfter ?? Soon),
        FailureCode.ReplicaLost => new(503, Server, "replica_lost", failure.Message, failure.Field, failure.RetryAfter ?? Soon),
        FailureCode.StoreUnavailable => new(IsDiskFull(failure) ? 507 : 503, Server, "store_unavailable", failure.Message, failure.Field, failure.RetryAfter),
        _ => new(500, Server, "internal", "The request failed inside the server. The log of the gateway has the cause."),
    };

    private static bool IsDiskFull(Exception failure)
    {
        const int NoSpaceOnUnix = 28;               // ENOSPC
        const int DiskFullOnWindows = unchecked((int)0x80070070);
        for (var cause = failure.InnerException; cause is not null; cause = cause.InnerException)
        {
            if (cause is IOException { HResult: NoSpaceOnUnix or DiskFullOnWindows })
            {
                return true;
            }
        }

        return false;
    }
}
