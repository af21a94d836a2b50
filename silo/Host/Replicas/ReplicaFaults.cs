using Loire.Contracts;
using Loire.Engine.Links;
using Loire.Engine.Replica;
using Loire.Store;

namespace Loire.Silo.Replicas;

/// <summary>What callers of a replica are told when something fails.</summary>
internal static class ReplicaFaults
{
    public static ClusterException Of(Exception fault, string replica, ReplicaTurn turn) => fault switch
    {
        ClusterException known => known,
        EngineBusyException => new ClusterException(FailureCode.NoCapacity, fault.Message, retryAfter: TimeSpan.FromSeconds(1), inner: fault),
        PartLostException => new ClusterException(
            FailureCode.ReplicaLost, $"Replica '{replica}' was lost in turn '{turn.TurnId}' of session '{turn.Session}': {fault.Message}", retryAfter: TimeSpan.FromSeconds(1), inner: fault),
        StoreException => OfStore(fault, turn.Session),
        ArgumentException => new ClusterException(FailureCode.InvalidRequest, fault.Message, (fault as ArgumentException)?.ParamName, inner: fault),
        _ => new ClusterException(
            FailureCode.Internal, $"Replica '{replica}' failed in turn '{turn.TurnId}' of session '{turn.Session}': {fault.Message}", inner: fault),
    };

    public static ClusterException OfStore(Exception fault, string session) => new(
        FailureCode.StoreUnavailable,
        fault is DamagedRecordException
            ? $"Session '{session}' cannot be read. {fault.Message} Put the file back from a backup, or delete the session; a damaged session reference can be moved away instead, and the session begins anew."
            : $"Session '{session}' could not be stored; its last committed turn stands. {fault.Message}",
        retryAfter: RetryAfter(fault),
        inner: fault);

    /// <summary>What passes by itself. A store that is full is swept and given room while it runs; a disk is not.</summary>
    private static TimeSpan? RetryAfter(Exception fault) => fault switch
    {
        StoreUnavailableException or StoreSlowException => TimeSpan.FromSeconds(1),
        StoreFullException { InnerException: not IOException } => TimeSpan.FromSeconds(5),
        _ => null,
    };
}
