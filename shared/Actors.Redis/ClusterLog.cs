using Microsoft.Extensions.Logging;
using Orleans.Runtime;

namespace Loire.Actors.Redis;

/// <summary>What membership, leases and the connection log.</summary>
internal sealed partial class ClusterLog(ILogger logger)
{
    [LoggerMessage(LogLevel.Information, "Redis at {Address} answers after {Milliseconds:0} ms")]
    public partial void Connected(string address, double milliseconds);

    [LoggerMessage(LogLevel.Warning, "Redis at {Address} is not reached; it is tried again until it answers")]
    public partial void NotConnected(Exception exception, string address);

    [LoggerMessage(LogLevel.Information, "{Silo} joined cluster {Cluster} as member {Epoch}, at membership version {Version}")]
    public partial void Joined(SiloAddress silo, string cluster, long epoch, long version);

    [LoggerMessage(LogLevel.Warning, "{Silo} could not join yet; it tries again")]
    public partial void JoinDelayed(Exception exception, SiloAddress silo);

    [LoggerMessage(LogLevel.Information, "{Silo} left cluster {Cluster}")]
    public partial void Left(SiloAddress silo, string cluster);

    [LoggerMessage(LogLevel.Warning, "{Silo} could not say that it leaves; the others see it when its lease ends")]
    public partial void LeaveFailed(Exception exception, SiloAddress silo);

    [LoggerMessage(LogLevel.Warning, "{Silo} is declared dead by {Witness}, {Milliseconds} ms after its lease ended")]
    public partial void DeclaredDead(string silo, string witness, long milliseconds);

    [LoggerMessage(LogLevel.Warning, "{Silo} is declared dead by {Witness}: a connection broke, and its address refuses new ones")]
    public partial void DeclaredRefused(Orleans.Runtime.SiloAddress silo, string witness);

    [LoggerMessage(LogLevel.Error, "The lease of {Silo} (member {Epoch}) is lost: {Reason}. Its grains end, and so does the process if it is set to")]
    public partial void LeaseLost(SiloAddress silo, long epoch, string reason);

    [LoggerMessage(LogLevel.Warning, "The lease was renewed {Milliseconds:0} ms after the last time, and is to be renewed every {Interval:0} ms")]
    public partial void RenewalLate(double milliseconds, double interval);

    [LoggerMessage(LogLevel.Warning, "The cluster could not be seen; it is tried again")]
    public partial void BeatFailed(Exception exception);

    [LoggerMessage(LogLevel.Information, "{Count} directory entries of {Silo}, which is gone, are removed")]
    public partial void Swept(int count, string silo);

    [LoggerMessage(LogLevel.Warning, "Directory entries of {Silo}, which is gone, could not be removed yet; it is tried again")]
    public partial void SweepFailed(Exception exception, string silo);

    [LoggerMessage(LogLevel.Warning, "The row of member '{Silo}' cannot be read and is left out: {Row}")]
    public partial void BadRow(string silo, string row);
}
