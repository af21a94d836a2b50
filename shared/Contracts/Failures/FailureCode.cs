using Orleans;

namespace Loire.Contracts;

/// <summary>Every way a request can fail that a caller may want to tell apart: whose fault, and at which step.</summary>
/// <remarks>Stable on the wire and in metrics. Add at the end; never reuse a number.</remarks>
[GenerateSerializer, Alias("loire.failure-code.v1")]
public enum FailureCode
{
    /// <summary>The request breaks a documented limit. Retrying it unchanged cannot succeed.</summary>
    InvalidRequest = 1,

    /// <summary>The session is already running a turn. Retry when that turn ends.</summary>
    SessionBusy = 2,

    /// <summary>No replica has room now. Retry after <see cref="ClusterException.RetryAfter"/>.</summary>
    NoCapacity = 3,

    /// <summary>The replica died while generating.</summary>
    ReplicaLost = 4,

    /// <summary>A defect of ours. The message names the operation; the log has the rest.</summary>
    Internal = 5,

    /// <summary>No session, turn or model by that name.</summary>
    NotFound = 6,

    /// <summary>The name is taken.</summary>
    AlreadyExists = 7,

    /// <summary>The session moved on since its history was read. Read it again and retry.</summary>
    HeadMoved = 8,

    /// <summary>The prompt and the answer do not fit the model's context.</summary>
    ContextTooLong = 9,

    /// <summary>The store is full or cannot be written. The turn is not committed; the last checkpoint stands.</summary>
    StoreUnavailable = 10,

    /// <summary>Another activation has extended the session: this one's epoch is stale.</summary>
    StaleEpoch = 11,

    /// <summary>The session goes on another silo. Call it again: the call finds it there.</summary>
    SessionMoved = 12,
}
