using Microsoft.Extensions.Logging;
using Orleans.Runtime;

namespace Loire.Actors;

/// <summary>What the runtime logs.</summary>
internal sealed partial class RuntimeLog(ILogger logger)
{
    [LoggerMessage(LogLevel.Information, "Silo {Name} at {Address} takes calls for {GrainClasses} grain classes")]
    public partial void Started(string name, SiloAddress address, int grainClasses);

    [LoggerMessage(LogLevel.Information, "Silo {Address} has stopped")]
    public partial void Stopped(SiloAddress address);

    [LoggerMessage(LogLevel.Warning, "{GrainId} could not activate: its callers get the exception, and the next call tries again")]
    public partial void ActivationFailed(Exception exception, GrainId grainId);

    [LoggerMessage(LogLevel.Warning, "{GrainId} failed in {Step} while it ended; it ends all the same")]
    public partial void DeactivationFailed(Exception exception, GrainId grainId, string step);

    [LoggerMessage(LogLevel.Warning, "{GrainId} ends though calls still run after {Timeout}")]
    public partial void EndedWhileRunning(GrainId grainId, TimeSpan timeout);

    [LoggerMessage(LogLevel.Warning, "The silo stops with {Count} activations that have not ended")]
    public partial void StoppedWithActivations(int count);

    [LoggerMessage(LogLevel.Warning, "{Method} of {GrainId} failed after its caller stopped waiting, or with nobody waiting")]
    public partial void FailedAfterAnswer(Exception exception, string method, GrainId grainId);

    [LoggerMessage(LogLevel.Error, "A timer of {GrainId} failed; it goes on")]
    public partial void TimerFailed(Exception exception, GrainId grainId);

    [LoggerMessage(LogLevel.Information, "A stream of {GrainId} is ended: its reader has not come back for {Timeout}")]
    public partial void StreamAbandoned(GrainId grainId, TimeSpan timeout);

    [LoggerMessage(LogLevel.Error, "{Participant} failed while the silo stopped")]
    public partial void StopFailed(Exception exception, string participant);

    [LoggerMessage(LogLevel.Error, "{GrainId} could not be packed to move: it ends where it is, and what it had in memory is lost")]
    public partial void MigrationFailed(Exception exception, GrainId grainId);

    [LoggerMessage(LogLevel.Error, "{GrainId} could not move to {Silo}: it ends where it is, and the {Bytes} bytes that it had packed are lost")]
    public partial void NotMoved(Exception exception, GrainId grainId, SiloAddress silo, long bytes);

    [LoggerMessage(LogLevel.Warning, "No connection to {Peer}: {Reason}")]
    public partial void DialFailed(SiloAddress peer, string reason);

    [LoggerMessage(LogLevel.Warning, "A connection was refused: {Reason}")]
    public partial void HandshakeFailed(string reason);

    [LoggerMessage(LogLevel.Warning, "Silo {Silo} is dead: its calls fail, and its grains activate elsewhere")]
    public partial void SiloDied(SiloAddress silo);

    [LoggerMessage(LogLevel.Warning, "The grain directory still lists activations of silos that are dead")]
    public partial void DirectoryNotCleaned(Exception exception);

    [LoggerMessage(LogLevel.Error, "Membership is not followed any more")]
    public partial void MembershipLost(Exception exception);

    [LoggerMessage(LogLevel.Critical, "The cluster has declared this silo, {Silo}, dead: its grains end")]
    public partial void DeclaredDead(SiloAddress silo);
}
