using Orleans;

namespace Loire.Contracts;

/// <summary>An expected failure, with the code that callers act on and a message that people act on.</summary>
[GenerateSerializer, Alias("loire.cluster-exception.v1")]
public sealed class ClusterException : Exception
{
    public ClusterException(FailureCode code, string message, string? field = null, TimeSpan? retryAfter = null, Exception? inner = null)
        : base(message, inner)
    {
        Code = code;
        Field = field;
        RetryAfter = retryAfter;
    }

    [Id(0)] public FailureCode Code { get; }

    /// <summary>The request's field that is at fault, if one is.</summary>
    [Id(1)] public string? Field { get; }

    /// <summary>When a retry may succeed, if one may.</summary>
    [Id(2)] public TimeSpan? RetryAfter { get; }

    public static ClusterException SessionBusy(string session, string turn) =>
        new(FailureCode.SessionBusy, $"Session '{session}' is running turn '{turn}'. Wait for it to end, or fork the session.", retryAfter: TimeSpan.FromSeconds(1));

    public static ClusterException SessionChanging(string session, string change) =>
        new(FailureCode.SessionBusy, $"Session '{session}' is busy with a {change}. Retry in a moment.", retryAfter: TimeSpan.FromSeconds(1));

    public static ClusterException SessionNotFound(string session) =>
        new(FailureCode.NotFound, $"There is no session '{session}'. Sessions are made by the first turn that names them.", "session_id");
}
